"""What a target is: how a result is written, and by what it is opened again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.export.learnt_prompt import prompt_notes

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.export.checking.exam import Exam, Sitting
    from droid_tune.model.policy import Policy
    from droid_tune.train.saving.weights import RunWeights


@dataclass(frozen=True)
class ExportSource:
    """A run with the weights that were chosen of it, in memory. `policy` may be changed by writing: it is loaded for
    this export alone."""

    run: Path
    config: RunConfig
    weights: RunWeights
    policy: Policy


class Target:
    """One way to take a result along. Subclasses write it, say what it needs and open it again."""

    #: whether what is written answers prompts, so that its answers are compared with the run's; else `write` looks itself
    answers = True

    def refuse(self, source: ExportSource, request: ExportRequest) -> None:
        """Raise UserError, before anything is written, where this target cannot hold the result."""

    def was_written(self, run: Path, request: ExportRequest, step: int | None) -> bool:
        """Whether the request's folder holds just this already: the weights after `step` updates of this run."""
        return False

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """How much room the written files take, about."""
        raise NotImplementedError

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """Whether what is written is as precise as the run's own model, so that it must answer alike."""
        raise NotImplementedError

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """Write into a new folder; returns what a person should know, a sentence each. Raises UserError, `Stopped`."""
        raise NotImplementedError

    def learnt_prompt(self, source: ExportSource, folder: Path) -> list[str]:
        """What of the run's prompts the written files do not hold, a sentence each."""
        return prompt_notes(source.config, source.policy)

    def open(self, base: Path, folder: Path, exam: Exam, watch: Watch) -> tuple[str, Sitting]:
        """By what it was opened, and what the written model says, with the run's policy out of memory. `base` is the
        model folder that the run was trained on. Raises UserError where it cannot be opened, and `Stopped`."""
        raise NotImplementedError

    def finish(self, source: ExportSource, out: Path, watch: Watch) -> list[str]:
        """What is done once `out` is there; what a person should know of it."""
        return []

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """What a person types, or does, to use it."""
        raise NotImplementedError
