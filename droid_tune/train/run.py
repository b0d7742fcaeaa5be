"""One run from its config to its result: load, check, train or go on, keep what was learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import mlx.core as mx
import numpy as np

from droid_tune.config import RunConfig
from droid_tune.config.methods import SFTConfig
from droid_tune.config.policy import PolicyMethodConfig
from droid_tune.control import Control, Watch
from droid_tune.data.batches import PromptBatches
from droid_tune.data.dataset import Dataset, changes, open_configured
from droid_tune.errors import UserError
from droid_tune.estimate.forecast import Estimate
from droid_tune.events import Event, MemoryFacts, Plan, RunStarted
from droid_tune.machine.budget import budget_of, limit_of
from droid_tune.machine.host import read_host
from droid_tune.model.adapter_files import save_adapter
from droid_tune.model.plan_for import limit_memory, plan_for
from droid_tune.model.policy import Policy
from droid_tune.model.reference import Reference
from droid_tune.rewards.combine import RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.train.checkpoint import Checkpoint, CheckpointStore
from droid_tune.train.diagnosis.diagnose import Diagnosis
from droid_tune.train.diagnosis.remarks import remark_on_rows, remark_on_template
from droid_tune.train.distributed import SavedState, World, check_share, shared_checkpoint
from droid_tune.train.learner import Learner, State
from droid_tune.train.loop import Loop
from droid_tune.train.memory_guard import MemoryGuard
from droid_tune.train.optimizer import build_optimizer
from droid_tune.train.policy_gradient import PolicyGradient
from droid_tune.train.row_reader import Chosen, RowReader
from droid_tune.train.run_record import RunRecord, foretold
from droid_tune.train.session import Session
from droid_tune.train.start import remark_on_start, starting_policy
from droid_tune.train.supervised import Supervised

if TYPE_CHECKING:
    from droid_tune.train.engine import Engine


#: prompts whose length the memory plan looks at
MEASURED_ROWS = 256


def execute(engine: Engine) -> str:
    """Train (or go on with) the engine's run to its end; returns the result's folder, relative to the run.

    Raises Stopped, and UserError for what the user can mend.
    """
    config, control, world = engine.config, engine.control, engine.world
    check_share(world, config.training.batch_size)
    store = CheckpointStore(engine.paths.checkpoints, config.checkpoint.keep)
    checkpoint = shared_checkpoint(_newest(store, engine) if world.leads else None, world)
    engine.step = 0 if checkpoint is None else checkpoint.step
    engine.total_steps, until = _steps(engine, checkpoint)
    engine.write_status("running")
    dataset = open_configured(config.data, config.method.type, Watch(should_stop=control.stop_requested))
    engine.data_state = _data_state(dataset, checkpoint, engine)
    control.checkpoint()
    policy = starting_policy(config, engine.paths.folder)
    control.checkpoint()
    rewards = build_rewards(
        () if config.is_sft else config.rewards, max_completion_length=config.sampling.max_completion_length
    )
    limit_memory(budget_of(config.memory, read_host()))
    with rewards:
        session = build_session(config, policy, dataset, rewards, control, engine.emit, world)
        loop = build_loop(session, store, engine, until)
        if checkpoint is not None:
            loop.restore(checkpoint)
        loop.record = RunRecord(foretold(session))
        _announce(session, engine, loop.step, loop.record.foretold)
        if loop.step == 0:
            remark_on_start(config, policy, engine.notice)
        remark_on_rows(dataset.report, engine.notice)
        remark_on_template(policy, session.train, engine.notice)
        try:
            loop.run()
        finally:
            if world.alone:
                loop.record.keep(config)
        return keep_result(policy, engine.paths.folder) if world.leads else ""


def _steps(engine: Engine, checkpoint: SavedState | None) -> tuple[int, int]:
    """The planned end, and where this session ends."""
    planned = engine.config.training.iterations
    if checkpoint is not None:
        planned = max(planned, int(checkpoint.state["total_steps"]))
    if engine.further_steps is None:
        return planned, planned
    until = engine.step + engine.further_steps
    return max(planned, until), until


def build_session(
    config: RunConfig,
    policy: Policy,
    dataset: Dataset,
    rewards: RewardSet,
    control: Control,
    emit: Callable[[Event], None],
    world: World,
) -> Session:
    """Everything the learners work with."""
    reader = RowReader(policy.tokenizer, config, policy.context_length)
    train = Chosen(dataset.train, reader.short_enough(dataset.train))
    valid = Chosen(dataset.valid, reader.short_enough(dataset.valid) if len(dataset.valid) else None)
    rewards.check_rows(train[: min(len(train), 100)])
    training = config.training
    batches = PromptBatches(train, training.batch_size, training.seed, shuffle=config.data.shuffle)
    return Session(
        config=config,
        policy=policy,
        train=train,
        valid=valid,
        batches=batches,
        rewards=rewards,
        plan=plan_for(config, policy, prompt_length=longest_prompt(train, reader)),
        control=control,
        emit=emit,
        world=world,
        reader=reader,
    )


def longest_prompt(rows: Chosen, reader: RowReader) -> int | None:
    """The longest of the first prompts in tokens, for the memory plan; None in supervised learning."""
    if reader.room == 0:
        return None
    return max(len(reader.prompt(i, rows.row(i)).tokens) for i in range(min(len(rows), MEASURED_ROWS)))


def build_loop(session: Session, store: CheckpointStore, engine: Engine, until: int) -> Loop:
    """The loop with its optimizer and reference, at step 0."""
    config = session.config
    method = config.method
    if isinstance(method, PolicyMethodConfig):
        reference = Reference(
            session.policy,
            method.reference_mode,
            ema_alpha=method.ema_alpha,
            every=method.reference_update_freq,
            needed=method.beta > 0,
        )
    else:
        reference = Reference(session.policy, needed=False)
    return Loop(
        session=session,
        learner=learner_for(session),
        optimizer=build_optimizer(
            config.optimizer, session.policy.trainable(), factors=bool(session.policy.adapted)
        ),
        reference=reference,
        store=store,
        total_steps=engine.total_steps,
        until=until,
        on_progress=engine.progressed,
        on_saved=engine.saved,
        fixed_state={"data": engine.data_state},
        diagnosis=Diagnosis.of(config),
        guard=MemoryGuard(limit_of(config.memory, read_host())),
    )


def learner_for(session: Session) -> Learner:
    """How the session's method learns."""
    method = session.config.method
    if isinstance(method, SFTConfig):
        return Supervised(session, method)
    return PolicyGradient(session, method)


def _newest(store: CheckpointStore, engine: Engine) -> Checkpoint | None:
    """The newest good checkpoint; bad ones are named. Raises UserError where all are bad."""
    checkpoint, bad = store.newest_good()
    for error in bad:
        going_on = f"going on from {checkpoint.folder.name}" if checkpoint else "no other is left"
        engine.notice(
            "bad_checkpoint", f"The checkpoint {error.folder.name} is not used: {error.why}; {going_on}."
        )
    if checkpoint is None and bad:
        raise UserError(
            f"None of the {len(bad)} checkpoints of this run can be used ({bad[0]})",
            place=str(store.folder),
            remedy="start a new run with the same settings",
        )
    return checkpoint


def _data_state(dataset: Dataset, checkpoint: SavedState | None, engine: Engine) -> State:
    """The data files' fingerprints as the run began; on a resume, say where they changed since."""
    if checkpoint is None:
        return dataset.state()
    for sentence in changes(checkpoint.state["data"]):
        engine.notice(
            "data_changed", sentence, "The run goes on with the data as it is now; it is no longer exact."
        )
    return checkpoint.state["data"]


def _announce(session: Session, engine: Engine, step: int, foretold: Estimate) -> None:
    policy, config = session.policy, session.config
    device, host = mx.device_info(), read_host()
    engine.emit(
        RunStarted(
            config=config.model_dump(mode="json"),
            total_steps=engine.total_steps,
            start_step=step,
            device=str(device.get("device_name") or mx.default_device()),
            memory=MemoryFacts(
                total_bytes=host.memory_bytes,
                gpu_limit_bytes=host.gpu_limit_bytes,
                budget_bytes=budget_of(config.memory, host),
                estimated_peak_bytes=foretold.peak_bytes,
                estimated_seconds_per_step=foretold.duration.per_step,
            ),
            model={
                "architecture": policy.config.get("model_type", ""),
                "weight_bytes": policy.weight_bytes,
                "trainable_parameters": int(sum(np.prod(a.shape) for a in policy.trainable().values())),
                "path": str(policy.path),
            },
            data={"train": len(session.train), "valid": len(session.valid)},
        )
    )
    engine.emit(Plan(step=step, sentence=session.plan.sentence, details={"path": session.plan.path}))
    _say_what_is_left_out(session, engine)
    for sentence in session.rewards.cautions:
        engine.notice("caution", sentence)


def _say_what_is_left_out(session: Session, engine: Engine) -> None:
    for name, rows in (("train", session.train), ("valid", session.valid)):
        if rows.left_out:
            engine.notice(
                "rows_too_long",
                f"{rows.left_out:,} of {rows.left_out + len(rows):,} {name} rows are left out: they are too long for "
                f"{session.reader.limit:,} tokens with room for the answer.",
                "Raise `max_seq_length` or shorten these rows.",
            )


def keep_result(policy: Policy, folder: Path) -> str:
    """The adapter in mlx-lm's own layout, in the run's folder."""
    save_adapter(policy, folder)
    return "."
