"""Take a run's result away: its adapter, or a whole model with the adapter merged in."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.errors import UserError
from droid_tune.runs.durable import disk_error
from droid_tune.runs.folder import read_config

if TYPE_CHECKING:
    from droid_tune.model.policy import Policy
    from droid_tune.train.weights import RunWeights

ADAPTER_FILES = ("adapters.safetensors", "adapter_config.json")


@dataclass(frozen=True)
class Exported:
    """Where a run's weights after `step` updates were written, and what a person should know (empty: nothing).

    `step` is None for a folder whose log does not say it.
    """

    folder: Path
    step: int | None
    note: str = ""


def export_run(run_dir: Path, out: Path, *, fuse: bool = False, requantise: bool = False) -> Exported:
    """Write the run's adapter (or, with `fuse`, a model of its own) into the new folder `out`.

    Layers of a quantised base that were trained are unpacked by fusing; `requantise` keeps its bits and loses part of
    what was learnt. A run that was stopped gives what its newest checkpoint holds. Raises UserError where there is nothing to
    export, where `out` is not empty and where it cannot be written; nothing half-written stays.
    """
    from droid_tune.train.weights import newest_weights

    read_config(run_dir)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"The folder {out} is not empty", remedy="choose a new one")
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        note = ""
        weights = newest_weights(run_dir)
        if fuse:
            note = _export_model(run_dir, partial, weights, requantise)
        else:
            _export_adapter(run_dir, partial, weights)
        if out.exists():
            out.rmdir()
        partial.replace(out)
    except OSError as error:
        raise disk_error(error, out) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(out, weights.step, note)


def _export_adapter(run_dir: Path, out: Path, weights: RunWeights) -> None:
    """A result is in mlx-lm's layout already; of a checkpoint it is made."""
    if weights.is_result:
        for name in ADAPTER_FILES:
            shutil.copyfile(run_dir / name, out / name)
        return
    from droid_tune.model.adapter_files import save_adapter

    save_adapter(trained_policy(run_dir, weights), out)


def _export_model(run_dir: Path, out: Path, weights: RunWeights, requantise: bool) -> str:
    from droid_tune.model.fusing import fuse_adapter, save_model

    policy = trained_policy(run_dir, weights)
    fused = fuse_adapter(policy, requantise=requantise)
    save_model(policy, out)
    return fused.sentence


def trained_policy(run_dir: Path, weights: RunWeights | None = None) -> Policy:
    """The run's model with what it learnt so far, ready to answer. Raises UserError where it learnt nothing yet."""
    from droid_tune.model.adapter_files import load_arrays, read_arrays
    from droid_tune.train.start import starting_policy
    from droid_tune.train.weights import newest_weights

    config = read_config(run_dir)
    found = weights or newest_weights(run_dir)
    policy = starting_policy(config, run_dir)
    load_arrays(policy, read_arrays(found.file), place=str(found.file))
    return policy
