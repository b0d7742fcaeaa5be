"""What a run starts from: a model as it is, or as an earlier run left it."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.config.recipes.preference_methods import RewardModelConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.model.adapter_files import (
    SETTINGS,
    WEIGHTS,
    adapter_config_in,
    load_adapter,
    load_arrays,
    read_arrays,
)
from droid_tune.model.adapters import base_of, is_adapter
from droid_tune.model.fusing import fuse_adapter, save_model
from droid_tune.model.heads.value_head import add_reward_head, apart_arrays, head_file, load_apart
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.paths import user_path
from droid_tune.runs.disk.durable import cause_of, disk_error, linked
from droid_tune.runs.folder import FUSED_BASE, STARTED_FROM, find_run, fused_base
from droid_tune.train.diagnosis.remarks import Notify
from droid_tune.train.saving.weights import RunWeights, weights_of
from droid_tune.train.starting.foreign_start import named_where_unfit, no_start, peft_start, write_as_mlx


def starting_policy(config: RunConfig, run_dir: Path, watch: Watch = UNWATCHED) -> Policy:
    """The model with the adapter that the run begins with; of a reward model its head too, see `_policy_at_start`."""
    policy = _policy_at_start(config, run_dir, watch)
    if isinstance(config.method, RewardModelConfig):
        add_reward_head(policy, seed=config.training.seed)
        earlier = head_file(run_dir / STARTED_FROM)
        arrays = read_arrays(earlier) if earlier.is_file() else {}
        if arrays.keys() == apart_arrays(policy).keys():  # PPO's checkpoints hold a critic there
            load_apart(policy, arrays, place=str(earlier))
    return policy


def _policy_at_start(config: RunConfig, run_dir: Path, watch: Watch) -> Policy:
    """The model with the adapter that the run begins with.

    `start_from` with continue: the earlier adapter is trained further on the model that it was trained on, which
    stays the reference, but see `RunConfig.starts_as_reference`. With fuse: the earlier adapter is merged into that
    model; the result is kept in the run's folder (so that a resume and mlx-lm find it) and becomes the reference, and a
    new adapter begins. `watch` may end it with Stopped.
    """
    model, seed = config.model, config.training.seed
    if not model.start_from:
        return load_policy(model.path, config.adapter, revision=model.revision, seed=seed, watch=watch)
    if model.start_mode == "fuse":
        return load_policy(_fused_base(config, run_dir, watch), config.adapter, seed=seed, watch=watch)
    with named_where_unfit(config):
        return _continued(config, _kept_start(config, run_dir), watch)


def remark_on_start(config: RunConfig, policy: Policy, notify: Notify) -> None:
    """Say what was done to read the model, what the run goes on from and what it is compared with."""
    for note in policy.notes:
        notify("model_read_as", note, level="info")
    if not config.model.start_from:
        return
    step = _step_of(config)
    at = "" if step is None else f" (step {step:,})"
    name = f"`{Path(config.model.start_from).name}`{at}"
    if config.model.start_mode == "fuse":
        unpacked = (
            " Its trained layers are no longer quantised, so that all of it is there."
            if _unpacked(policy)
            else ""
        )
        notify(
            "starts_from",
            f"What {name} learnt is part of the model now and its reference; a new adapter begins.{unpacked}",
            level="info",
        )
        return
    adapter = policy.adapter
    kind = "What it trained (all weights)"
    if adapter.type != "full":
        kind = f"Its adapter ({adapter.type}, rank {adapter.rank})"
    differs = (adapter.type, adapter.rank) != (config.adapter.type, config.adapter.rank)
    held_to = "is what it begins with" if config.starts_as_reference else "stays the model before it"
    notify(
        "starts_from",
        f"The run goes on from {name}. {kind} is trained further; the reference {held_to}.",
        "The rank and modules of this run's settings do not count; fuse the earlier run to choose new ones."
        if differs
        else "",
        level="info",
    )


def _step_of(config: RunConfig) -> int | None:
    """The step of the earlier run's weights; None where it does not say, or is gone since its result was copied."""
    try:
        return earlier_result(config)[1].step
    except UserError:
        return None


def _unpacked(policy: Policy) -> bool:
    """Whether a quantised model has layers in plain floating point under its adapters."""
    bases = [base_of(module) for _, module in policy.model.named_modules() if is_adapter(module)]
    return "quantization" in policy.config and any(
        base is not None and "scales" not in base for base in bases
    )


def _continued(config: RunConfig, earlier: Path, watch: Watch) -> Policy:
    """The earlier run's model with its adapter (and that adapter's rank and modules); dropout is the new run's."""
    adapter = adapter_config_in(earlier)
    if adapter.type != "full":
        adapter = adapter.model_copy(update={"dropout": config.adapter.dropout})
    policy = load_policy(
        _base_of(config, earlier),
        adapter,
        revision=config.model.revision,
        seed=config.training.seed,
        watch=watch,
    )
    if adapter.type == "full":
        # There is no adapter to bypass: the reference needs the weights as they were before the earlier run.
        policy.reference_arrays = policy.trainable()
    load_adapter(policy, earlier)
    if config.starts_as_reference:
        policy.reference_arrays = policy.trainable()
    return policy


def _base_of(config: RunConfig, earlier: Path) -> str | Path:
    """The model under an earlier run's adapter: the configured one, or the fused one of a run that began so."""
    return fused_base(earlier) or config.model.path


def _kept_start(config: RunConfig, run_dir: Path) -> Path:
    """A copy of the earlier result in the run's folder: a resume needs it, whatever becomes of the earlier run."""
    start = run_dir / STARTED_FROM
    if start.is_dir():
        return start
    with _coming(start) as partial:
        if (peft := peft_start(config)) is not None:
            write_as_mlx(config, peft, partial)
        else:
            _copy_start(config, partial)
    return start


@contextmanager
def _coming(place: Path) -> Generator[Path]:
    """A folder that becomes `place` at the end, and goes where that does not come. Raises DiskError."""
    partial = place.with_name(f".{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(place)
    except OSError as error:
        raise disk_error(error, place) from error
    except RuntimeError as error:  # MLX reports a failed write so
        raise disk_error(cause_of(error, partial), place) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_start(config: RunConfig, folder: Path) -> None:
    """The earlier adapter with its settings, and the fused model that it belongs to where there is one."""
    earlier, weights = earlier_result(config)
    shutil.copyfile(weights.file, folder / WEIGHTS)
    shutil.copyfile(earlier / SETTINGS, folder / SETTINGS)
    if weights.head.is_file():
        shutil.copyfile(weights.head, head_file(folder))
    if (base := fused_base(earlier)) is not None:
        shutil.copytree(base, folder / FUSED_BASE, copy_function=linked)


def earlier_result(config: RunConfig) -> tuple[Path, RunWeights]:
    """The folder of the run that this one starts from, and the weights that it starts with.

    Raises UserError where that run has no result yet, or not the checkpoint that is asked for.
    """
    name = config.model.start_from
    given = user_path(name)
    folder = given if given.is_dir() else find_run(name)
    if not (folder / SETTINGS).exists() or not (folder / WEIGHTS).exists():
        raise no_start(folder)
    return folder, weights_of(folder, config.model.start_checkpoint)


def _to_fuse(config: RunConfig, run_dir: Path, watch: Watch) -> Policy:
    """The earlier run's model with its adapter."""
    if peft_start(config) is not None:
        folder = _kept_start(config, run_dir)
        file = folder / WEIGHTS
    else:
        folder, weights = earlier_result(config)
        file = weights.file
    policy = load_policy(
        _base_of(config, folder), adapter_config_in(folder), revision=config.model.revision, watch=watch
    )
    load_arrays(policy, read_arrays(file), place=str(file))
    return policy


def _fused_base(config: RunConfig, run_dir: Path, watch: Watch) -> Path:
    """Merge once, whole or not at all."""
    base = run_dir / FUSED_BASE
    if base.is_dir():
        return base
    with named_where_unfit(config):
        policy = _to_fuse(config, run_dir, watch)
    watch.pause_point()
    fuse_adapter(policy)
    watch.pause_point()
    with _coming(base) as partial:
        save_model(policy, partial)
    return base
