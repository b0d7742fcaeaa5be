"""Which weights are a run's: the newest that are whole, or a chosen checkpoint's (export, generate, playground, start_from)."""

from __future__ import annotations

import filecmp
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from droid_tune.errors import DiskError, UserError
from droid_tune.model.adapter_files import read_arrays
from droid_tune.model.heads.value_head import head_file
from droid_tune.names import LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.best import chosen_step, completed_step, result_is_newest
from droid_tune.runs.verification import BadCheckpointError
from droid_tune.train.saving.checkpoint import Checkpoint, CheckpointStore


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
    """The result of a run, or its newest checkpoint where that is further on.

    Raises UserError where it has neither, and where the newest of them is damaged: nobody gets older ones unasked.
    """
    paths = RunPaths(run_dir)
    checkpoint, bad = CheckpointStore(paths.checkpoints).newest_good()
    step, completed = None if checkpoint is None else checkpoint.step, completed_step(run_dir)
    if result_is_newest(run_dir, completed, step):
        _require_no_newer(bad, completed or 0, run_dir)
        if checkpoint is not None and step == completed and not _same(paths.adapter_weights, checkpoint):
            raise UserError(
                "The run's result is not what was saved at its step: it is damaged or was replaced",
                place=str(paths.adapter_weights),
                remedy=_choose(checkpoint.step),
            )
        return RunWeights(paths.adapter_weights, completed, is_result=True)
    if checkpoint is not None:
        _require_no_newer(bad, checkpoint.step, run_dir)
        return RunWeights(checkpoint.folder / "adapters.safetensors", checkpoint.step, is_result=False)
    why = f" ({bad[0]})" if bad else ""
    raise UserError(
        f"The run {run_dir.name} has neither a result nor a good checkpoint{why}",
        remedy="train it further first",
    )


def _require_no_newer(bad: list[BadCheckpointError], good_step: int, run_dir: Path) -> None:
    newer = [one for one in bad if one.step > good_step]
    if newer:
        raise UserError(
            f"The newest checkpoint of the run {run_dir.name} is damaged ({newer[0]})",
            remedy=_choose(good_step),
        )


def _choose(step: int) -> str:
    how = f"`--checkpoint {step}`; to start from, `model.start_checkpoint`"
    return f"the newest good one is of step {step:,}; choose it to take that ({how})"


def _same(result: Path, checkpoint: Checkpoint) -> bool:
    """Whether a result holds what its step's checkpoint does. Older versions wrote the arrays in any order.

    Raises UserError where the disk does not tell.
    """
    try:
        if filecmp.cmp(result, checkpoint.folder / "adapters.safetensors", shallow=False):
            return True
        found, saved = read_arrays(result), checkpoint.tensors("adapters")
    except OSError as error:
        raise UserError(
            f"The run's result cannot be read ({error.strerror or error})",
            place=str(result),
            remedy="see that the disk is there and sound, and try again",
        ) from error
    except DiskError:
        raise
    except UserError:
        return False
    return found.keys() == saved.keys() and all(
        found[name].dtype == saved[name].dtype and mx.array_equal(found[name], saved[name]).item()
        for name in found
    )
