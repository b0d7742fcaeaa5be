"""One run in the queue: its config and, in a file beside it, what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from droid_tune.config import RunConfig, build, read_values
from droid_tune.errors import UserError
from droid_tune.runs.disk.durable import TRY_AGAIN, write_text
from droid_tune.runs.folder import RunSummary, summarise

QueueState = Literal["waiting", "held", "running", "completed", "failed"]
#: still to be done
OPEN: tuple[QueueState, ...] = ("waiting", "held", "running")
#: begun so often from the same saved step, a run lets the others go first
FRUITLESS = 3


class QueuedRun(BaseModel):
    """`place` orders the queue; `run` is the run's folder once it began (`made`: it has been there), `why` the reason of an
    end that was none.

    `begun` counts how often it began at the same `saved_step`: a run that ends its process each time is told by that.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    state: QueueState = "waiting"
    place: float = Field(default=0.0, allow_inf_nan=False)
    added: float = Field(default=0.0, ge=0, le=1e11)
    run: str = ""
    why: str = ""
    saved_step: int = 0
    begun: int = 0
    made: bool = False

    @property
    def is_fruitless(self) -> bool:
        """Whether it began again and again without a step forward."""
        return self.begun >= FRUITLESS

    @property
    def folder(self) -> Path | None:
        """The run's folder, where it has one already."""
        return Path(self.run) if self.run and Path(self.run).is_dir() else None

    @property
    def summary(self) -> RunSummary | None:
        """What the list of runs says of it; None before it began, or where its folder cannot be read."""
        try:
            return summarise(self.folder) if self.folder is not None else None
        except (UserError, OSError):
            return None

    @property
    def turn(self) -> tuple[bool, bool, float]:
        """Whose turn it is: first one that was cut off, last one that never gets further."""
        return self.is_fruitless, self.state != "running", self.place

    def changed(self, **values: Any) -> QueuedRun:
        """The same run with other values."""
        return self.model_copy(update=values)


def fruitless(run: QueuedRun, why: str) -> str:
    """What to say of a run that ends its process each time, so that it has failed."""
    return f"{why} It was begun {run.begun} times without a step forward."


def read_queued_run(config: Path) -> QueuedRun:
    """What stands beside a config of the queue. A damaged file holds that run back and no other; it is said why."""
    file = state_file(config)
    plain = QueuedRun(id=config.stem, name=config.stem)
    try:
        text = file.read_text(encoding="utf-8")
        return QueuedRun.model_validate_json(text).changed(id=config.stem)
    except FileNotFoundError:
        return plain.changed(place=config.stat().st_mtime, added=config.stat().st_mtime)
    except (OSError, ValueError) as error:
        why = (
            f"it is no state of a run ({error.errors()[0]['msg']})"
            if isinstance(error, ValidationError)
            else error
        )
        return plain.changed(state="held", why=f"Its {file.name} cannot be read: {why}.")


def write_queued_run(config: Path, run: QueuedRun) -> None:
    """Replace the state of a run; whole or not there. Raises UserError where the disk refuses."""
    write_text(state_file(config), run.model_dump_json(), TRY_AGAIN)


def read_queued_config(config: Path) -> RunConfig:
    """The settings of a queued run. Raises UserError where the file is none."""
    return build(read_values(config), str(config))


def state_file(config: Path) -> Path:
    """Where the state of a queued config stands."""
    return config.with_suffix(".json")
