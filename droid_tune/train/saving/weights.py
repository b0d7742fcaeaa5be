"""Which weights are a run's: the newest that are whole, or a chosen checkpoint's (export, generate, playground, start_from)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from droid_tune.errors import UserError
from droid_tune.model.heads.value_head import head_file
from droid_tune.names import LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.best import chosen_step, completed_step, result_is_newest
from droid_tune.train.saving.checkpoint import CheckpointStore


@dataclass(frozen=True)
class RunWeights:
    """A safetensors file of what was trained, after `step` updates; None where the folder is no run of ours and does
    not say. `is_result`: it is the run's result, with its adapter_config.json beside it."""

    file: Path
    step: int | None
    is_result: bool

    @property
    def head(self) -> Path:
        """The file with the head of a reward model, where it is one."""
        return head_file(self.file.parent) if self.is_result else self.file.with_name("heads.safetensors")


def weights_of(run_dir: Path, choice: str = LAST) -> RunWeights:
    """The weights that `choice` names: `last`, `best` (by the run's own held-out evaluations) or a checkpoint's step.

    Raises UserError where the run has no such checkpoint, or it is damaged.
    """
    step = chosen_step(run_dir, choice)
    if step is None:
        return newest_weights(run_dir)
    checkpoint = CheckpointStore(RunPaths(run_dir).checkpoints).good(step)
    return RunWeights(checkpoint.folder / "adapters.safetensors", step, is_result=False)


def newest_weights(run_dir: Path) -> RunWeights:
    """The result of a run, or its newest good checkpoint where that is further on. Raises UserError where it has neither."""
    paths = RunPaths(run_dir)
    checkpoint, bad = CheckpointStore(paths.checkpoints).newest_good()
    completed = completed_step(run_dir)
    if result_is_newest(run_dir, completed, None if checkpoint is None else checkpoint.step):
        return RunWeights(paths.adapter_weights, completed, is_result=True)
    if checkpoint is not None:
        return RunWeights(checkpoint.folder / "adapters.safetensors", checkpoint.step, is_result=False)
    why = f" ({bad[0]})" if bad else ""
    raise UserError(
        f"The run {run_dir.name} has neither a result nor a good checkpoint{why}",
        remedy="train it further first",
    )
