"""What a run starts from: a model as it is, or as an earlier run left it."""

from __future__ import annotations

import shutil
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.model.adapter_files import adapter_config_in, load_adapter
from droid_tune.model.fusing import fuse_adapter, save_model
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.train.durable import disk_error
from droid_tune.train.runs import find_run

#: the fused model of a run that starts so: a folder of its own in the run's
FUSED_BASE = "base"


def starting_policy(config: RunConfig, run_dir: Path) -> Policy:
    """The model with the adapter that the run begins with.

    `start_from` with continue: the earlier adapter is trained further, the reference stays the base model. With
    fuse: the earlier adapter is merged into the model, which is kept in the run's folder (so that a resume and
    mlx-lm find it) and becomes the reference; a new adapter begins.
    """
    model, seed = config.model, config.training.seed
    if not model.start_from:
        return load_policy(model.path, config.adapter, revision=model.revision, seed=seed)
    if model.start_mode == "fuse":
        return load_policy(_fused_base(config, run_dir), config.adapter, seed=seed)
    folder = earlier_result(model.start_from)
    adapter = adapter_config_in(folder).model_copy(update={"dropout": config.adapter.dropout})
    policy = load_policy(model.path, adapter, revision=model.revision, seed=seed)
    load_adapter(policy, folder)
    return policy


def earlier_result(name: str) -> Path:
    """The folder of an earlier run's result. Raises UserError where it has none yet."""
    given = Path(name).expanduser()
    folder = given if given.is_dir() else find_run(name)
    if not (folder / "adapter_config.json").exists():
        raise UserError(
            f"The run {folder.name} has no result to start from yet",
            place="model.start_from",
            remedy="let it finish, or export it first",
        )
    return folder


def _fused_base(config: RunConfig, run_dir: Path) -> Path:
    """Merge once, whole or not at all."""
    base = run_dir / FUSED_BASE
    if base.is_dir():
        return base
    folder = earlier_result(config.model.start_from)
    policy = load_policy(config.model.path, adapter_config_in(folder), revision=config.model.revision)
    load_adapter(policy, folder)
    fuse_adapter(policy)
    partial = run_dir / f".{FUSED_BASE}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        save_model(policy, partial)
        partial.replace(base)
    except OSError as error:
        raise disk_error(error, base) from error
    return base
