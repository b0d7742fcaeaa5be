"""One run from its config to its result: load, check, train or go on, keep what was learnt."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from droid_tune.control import Control, Watch
from droid_tune.data.dataset import Dataset, changes, open_configured
from droid_tune.errors import UserError
from droid_tune.machine.budget import budget_of
from droid_tune.machine.host import read_host
from droid_tune.model.adapter_files import save_adapter
from droid_tune.model.checks.products import check_products
from droid_tune.model.plan_for import limit_memory
from droid_tune.model.policy import Policy
from droid_tune.model_files.base_digest import keep_digests
from droid_tune.paths import private_file
from droid_tune.runs.best import best_kept, chosen_step
from droid_tune.runs.disk.durable import cause_of, disk_error, require_space
from droid_tune.runs.origin.identity import changes_beside_data, identity_of, keep_identity
from droid_tune.runs.verification import lost_checkpoints
from droid_tune.train.assembly import build_loop, build_session, rewards_of
from droid_tune.train.assignment import Assignment, Span
from droid_tune.train.diagnosis.remarks import (
    remark_on_rewards,
    remark_on_rows,
    remark_on_template,
    remark_on_verdicts,
)
from droid_tune.train.distributed import World, check_share
from droid_tune.train.exploring.acting import acted_in, check_alone
from droid_tune.train.learners.learner import State
from droid_tune.train.loop import Loop
from droid_tune.train.saving.checkpoint import Checkpoint, CheckpointStore, bytes_of
from droid_tune.train.saving.journal import Journal
from droid_tune.train.saving.run_record import RunRecord, estimate_of
from droid_tune.train.saving.shared_checkpoint import SavedState, shared_checkpoint
from droid_tune.train.starting.announcing import announce
from droid_tune.train.starting.measuring import measure_rows
from droid_tune.train.starting.start import remark_on_start, starting_policy
from droid_tune.train.steering.portions import take_smaller
from droid_tune.train.training_session import Conduct
from droid_tune.train.updating.optimizer import optimizer_tensors


def execute(assignment: Assignment, control: Control, journal: Journal, world: World) -> str:
    """Train (or go on) to the end; returns the result's folder, relative to the run's.

    Raises Stopped, and UserError for what the user can mend.
    """
    config = assignment.config
    check_share(world, config.training.batch_size)
    check_alone(config, world)
    store = CheckpointStore(journal.paths.checkpoints, config.checkpoint.keep)
    own = _checkpoint(assignment, store, journal) if world.leads else None
    checkpoint = shared_checkpoint(own, world)
    span = _span(assignment, checkpoint)
    journal.begin(span.start, span.total_steps)
    dataset = open_configured(config.data, config.method.type, Watch(should_stop=control.stop_requested))
    data_state = _data_state(dataset, checkpoint, journal)
    if checkpoint is not None:
        _tell_what_changed(assignment, journal)
    control.pause_point()
    conduct = Conduct(control, journal.emit, world)
    stopping = Watch(should_stop=conduct.stop_requested)
    policy = starting_policy(config, assignment.folder, stopping)
    control.pause_point()
    if config.training.check_products:
        check_products(policy)
    budget = budget_of(config.memory, read_host())
    limit_memory(budget)
    with rewards_of(config, stopping, policy) as rewards, acted_in(config, policy, stopping) as environment:
        control.on_stop_now(rewards.end_now)
        session = build_session(config, policy, dataset, rewards, conduct, environment)
        if checkpoint is None:
            measure_rows(session, journal.notice)
        loop = build_loop(session, store, journal, span, data_state)
        if world.leads:
            look_at_space(assignment.folder, loop)
            keep_identity(assignment.folder, identity_of(config, dataset, assignment.folder, stopping))
        if checkpoint is not None:
            if data_state != checkpoint.state["data"]:
                session.batches.accept_other_rows()
            loop.restore(checkpoint)
            loop.know_best(best_kept(assignment.folder, span.start))
        loop.record = RunRecord(estimate_of(session))
        limit_memory(budget, loop.record.estimated.peak_bytes)
        announce(session, journal, span, loop.record.estimated)
        take_smaller(session, journal, span.start)
        if span.start == 0:
            remark_on_start(config, policy, journal.notice)
            if world.leads:
                keep_digests(policy.path, journal.paths.base_digests)
        remark_on_rows(dataset.report, journal.notice)
        remark_on_rewards(rewards, session.train, journal.notice)
        if environment is not None and environment.caution:
            journal.notice("environment_caution", environment.caution)
        if config.method.need == "verdict":
            remark_on_verdicts(session.train, journal.notice)
        remark_on_template(policy, session.train, journal.notice)
        try:
            loop.run()
        finally:
            if world.alone:
                loop.record.keep(config)
    if not world.leads:
        return ""
    return loop.mended(partial(_keep_result_there, policy, journal))


def _span(assignment: Assignment, checkpoint: SavedState | None) -> Span:
    """Where the run goes on and ends."""
    if checkpoint is None:
        return assignment.span(0, 0)
    return assignment.span(checkpoint.step, int(checkpoint.state["total_steps"]))


def look_at_space(folder: Path, loop: Loop) -> None:
    """Raises UserError before the first step where the disk cannot take a checkpoint and the result."""
    trainable = loop.session.policy.learnt()
    files = {
        "adapters": trainable,
        "optimizer": optimizer_tensors(loop.optimizer),
        "reference": loop.reference.arrays or {},
        "result": trainable,
    }
    require_space(folder, bytes_of(files), "a checkpoint with the result")


def _checkpoint(assignment: Assignment, store: CheckpointStore, journal: Journal) -> Checkpoint | None:
    """What the run goes on from; where that is an earlier one, what came after it is set aside, and told."""
    step = chosen_step(assignment.folder, assignment.checkpoint)
    if step is None:
        return _newest(store, journal)
    checkpoint = store.good(step)
    try:
        aside = store.set_aside(step)
    except OSError as error:
        raise disk_error(error, store.folder) from error
    if aside is not None:
        journal.notice(
            "set_aside",
            f"The run goes on from step {step:,}; what came after it is kept in checkpoints/{aside.name}.",
            level="info",
        )
    return checkpoint


def _newest(store: CheckpointStore, journal: Journal) -> Checkpoint | None:
    """The newest good checkpoint; bad ones are named. Raises UserError where all are bad."""
    checkpoint, bad = store.newest_good()
    for error in bad:
        going_on = f"going on from {checkpoint.folder.name}" if checkpoint else "no other is left"
        journal.notice(
            "bad_checkpoint", f"The checkpoint {error.folder.name} is not used: {error.why}; {going_on}."
        )
    if checkpoint is None and bad:
        raise UserError(
            f"None of the {len(bad)} checkpoints of this run can be used ({bad[0]})",
            place=str(store.folder),
            remedy="start a new run with the same settings",
        )
    if checkpoint is None:
        for sentence in lost_checkpoints(journal.paths.folder):
            journal.notice("checkpoints_gone", sentence)
    return checkpoint


def _data_state(dataset: Dataset, checkpoint: SavedState | None, journal: Journal) -> State:
    """The data files' fingerprints, as they were when the run began or was gone on with; on a resume, say where they changed
    since: whoever asked for it has been told."""
    if checkpoint is None:
        return dataset.state()
    found = changes(checkpoint.state["data"])
    for sentence in found:
        journal.notice(
            "data_changed", sentence, "The run goes on with the data as it is now; it is no longer exact."
        )
    return dataset.state() if found else checkpoint.state["data"]


def _tell_what_changed(assignment: Assignment, journal: Journal) -> None:
    """On a resume, what else is not as it was: whoever asked for it has been told, and the log knows it too."""
    for sentence in changes_beside_data(assignment.folder, assignment.config):
        journal.notice(
            "run_changed", sentence, "The run goes on with what is there now; it is no longer exact."
        )


def _keep_result_there(policy: Policy, journal: Journal) -> str:
    """The result in the run's folder, wherever that is by now. Raises DiskError, FolderGoneError."""
    journal.follow()
    return keep_result(policy, journal.paths.folder)


def keep_result(policy: Policy, folder: Path) -> str:
    """The adapter in mlx-lm's own layout, in the run's folder. Raises DiskError."""
    try:
        for file in save_adapter(policy, folder):
            private_file(file)
    except OSError as error:
        raise disk_error(error, folder) from error
    except RuntimeError as error:  # MLX reports a failed write so
        raise disk_error(cause_of(error, folder), folder) from error
    return "."
