"""Take a run's result away: its adapter, or a whole model with the adapter merged in."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.errors import UserError
from droid_tune.paths import RunPaths
from droid_tune.runs.durable import disk_error
from droid_tune.runs.folder import read_config

if TYPE_CHECKING:
    from droid_tune.model.policy import Policy

ADAPTER_FILES = ("adapters.safetensors", "adapter_config.json")


@dataclass(frozen=True)
class Exported:
    """Where a run's result was written, and what a person should know of it (empty where there is nothing)."""

    folder: Path
    note: str = ""


def export_run(run_dir: Path, out: Path, *, fuse: bool = False, requantise: bool = False) -> Exported:
    """Write the run's adapter (or, with `fuse`, a model of its own) into the new folder `out`.

    Layers of a quantised base that were trained are unpacked by fusing; `requantise` keeps its bits and loses part of
    what was learnt. A run that was stopped gives what its newest checkpoint holds. Raises UserError where there is nothing to
    export, where `out` is not empty and where it cannot be written; nothing half-written stays.
    """
    read_config(run_dir)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"The folder {out} is not empty", remedy="choose a new one")
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        note = ""
        if fuse:
            note = _export_model(run_dir, partial, requantise)
        else:
            _export_adapter(run_dir, partial)
        if out.exists():
            out.rmdir()
        partial.replace(out)
    except OSError as error:
        raise disk_error(error, out) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(out, note)


def _export_adapter(run_dir: Path, out: Path) -> None:
    """Finished runs have theirs in mlx-lm's layout already; of others it is made from the newest checkpoint."""
    paths = RunPaths(run_dir)
    if paths.adapter_weights.exists() and paths.adapter_config.exists():
        for name in ADAPTER_FILES:
            shutil.copyfile(run_dir / name, out / name)
        return
    from droid_tune.model.adapter_files import save_adapter

    save_adapter(trained_policy(run_dir), out)


def _export_model(run_dir: Path, out: Path, requantise: bool) -> str:
    from droid_tune.model.fusing import fuse_adapter, save_model

    policy = trained_policy(run_dir)
    fused = fuse_adapter(policy, requantise=requantise)
    save_model(policy, out)
    return fused.sentence


def trained_policy(run_dir: Path) -> Policy:
    """The run's model with what it learnt so far, ready to answer. Raises UserError where it learnt nothing yet."""
    from droid_tune.model.adapter_files import load_adapter, load_arrays
    from droid_tune.train.start import starting_policy

    paths = RunPaths(run_dir)
    config = read_config(run_dir)
    policy = starting_policy(config, run_dir)
    if paths.adapter_weights.exists():
        load_adapter(policy, run_dir)
        return policy
    from droid_tune.train.checkpoint import CheckpointStore

    checkpoint, bad = CheckpointStore(paths.checkpoints).newest_good()
    if checkpoint is None:
        why = f" ({bad[0]})" if bad else ""
        raise UserError(
            f"The run {run_dir.name} has neither a result nor a good checkpoint{why}",
            remedy="train it further first",
        )
    load_arrays(policy, checkpoint.tensors("adapters"), place=str(checkpoint.folder))
    return policy
