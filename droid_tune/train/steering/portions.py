"""After a run that was too large for the device: the next session of it takes smaller portions."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from droid_tune.events import PlanChosen
from droid_tune.train.saving.journal import Journal
from droid_tune.train.steering.memory_guard import smaller
from droid_tune.train.training_session import TrainingSession

#: a file in the run's folder that asks for them
WANTED = "smaller-portions"


def want_smaller(folder: Path) -> None:
    """Remember it for the next session; a disk that refuses costs only that."""
    with suppress(OSError):
        (folder / WANTED).touch(mode=0o600)


def take_smaller(session: TrainingSession, journal: Journal, step: int) -> None:
    """The next smaller portions, told, where the session before wanted them."""
    file = journal.paths.folder / WANTED
    if not session.world.leads or not session.world.alone or not file.exists():
        return
    with suppress(OSError):
        file.unlink()
    plan = smaller(session.plan, session.policy.architecture)
    if plan is None:
        return
    session.plan = plan
    session.emit(PlanChosen(step=step, sentence=plan.sentence, details={"path": plan.path}))
    journal.notice(
        "memory_replanned",
        f"The run goes on in smaller portions ({plan.sentence}): the ones before were too large for the device.",
        level="info",
    )
