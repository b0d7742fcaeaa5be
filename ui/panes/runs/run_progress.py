"""How far a run is and how it is called, in every part of the Runs pane the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.config.methods import METHOD_CONFIGS
from droid_tune.runs.differences import differences
from ui.session import Session

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


def progress_of(session: Session, run: RunSummary) -> tuple[int, str]:
    """Step and state, the live run's from memory."""
    live = session.live
    if session.training and live is not None and run.folder == session.live_folder:
        return live.step, live.life if live.life != "paused" else "running"
    return run.step, run.state


def method_label(run: RunSummary) -> str:
    """The method's name; its key where the run is of a newer version."""
    return METHOD_CONFIGS[run.method].label if run.method in METHOD_CONFIGS else run.method


class RunNames:
    """What tells runs of the same name apart: `differences` by id, of those that were read last."""

    def __init__(self) -> None:
        self.differences: dict[str, str] = {}

    def read(self, runs: list[RunSummary]) -> None:
        """Compare the runs with each other."""
        self.differences = differences(runs)

    def name_of(self, run: RunSummary) -> str:
        """The run's name, with what makes the difference where others are called the same."""
        return words.literal(" · ".join(filter(None, (run.name, self.differences.get(run.id)))))
