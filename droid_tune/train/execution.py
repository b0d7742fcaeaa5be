"""One run from its config to its result: load, check, train or go on, keep what was learnt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.config.recipes.method_table import METHODS
from droid_tune.config.recipes.online_methods import OnlinePairConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.recipes.teaching_methods import SelfTaughtConfig
from droid_tune.control import UNWATCHED, Control, Watch
from droid_tune.data.dataset import Dataset, changes, open_configured
from droid_tune.data.order.batches import PromptBatches
from droid_tune.data.order.signal_batches import SignalBatches
from droid_tune.data.rendering.templates.added_turns import require_turns
from droid_tune.environments.episode import Environment
from droid_tune.errors import UserError
from droid_tune.events import Phase
from droid_tune.machine.budget import budget_of, limit_of
from droid_tune.machine.host import read_host
from droid_tune.methods.reference_sync import teacher_share
from droid_tune.model.adapter_files import save_adapter
from droid_tune.model.checks.products import check_products
from droid_tune.model.plan_for import limit_memory, plan_for
from droid_tune.model.policy import Policy
from droid_tune.model.reference import ReferencePolicy
from droid_tune.model_files.base_digest import keep_digests
from droid_tune.names import Way
from droid_tune.paths import private_file
from droid_tune.rewards.combine import RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.runs.best import best_kept, chosen_step
from droid_tune.runs.disk.durable import cause_of, disk_error, require_space
from droid_tune.runs.origin.identity import changes_beside_data, identity_of, keep_identity
from droid_tune.train.assignment import Assignment, Span
from droid_tune.train.diagnosis.diagnose import Diagnosis
from droid_tune.train.diagnosis.remarks import (
    remark_on_rewards,
    remark_on_rows,
    remark_on_template,
    remark_on_verdicts,
)
from droid_tune.train.distributed import World, check_share
from droid_tune.train.exploring.acting import acted_in, check_alone
from droid_tune.train.learners.learner import Learner, State
from droid_tune.train.learners.online_pairs_learner import OnlinePairs
from droid_tune.train.learners.pairs.preference_learner import PreferenceLearner
from droid_tune.train.learners.policy_gradient import PolicyGradient
from droid_tune.train.learners.ppo_learner import PPO
from droid_tune.train.learners.supervised import Supervised
from droid_tune.train.learners.teaching.distilling import Distilling
from droid_tune.train.learners.teaching.self_teaching import SelfTeaching
from droid_tune.train.loop import Loop
from droid_tune.train.rows.row_reader import Chosen, RowReader
from droid_tune.train.saving.checkpoint import Checkpoint, CheckpointStore, bytes_of
from droid_tune.train.saving.journal import Journal
from droid_tune.train.saving.run_record import RunRecord, estimate_of
from droid_tune.train.saving.shared_checkpoint import SavedState, shared_checkpoint
from droid_tune.train.starting.announcing import announce
from droid_tune.train.starting.start import remark_on_start, starting_policy
from droid_tune.train.steering.memory_guard import MemoryGuard
from droid_tune.train.steering.portions import take_smaller
from droid_tune.train.training_session import Conduct, TrainingSession
from droid_tune.train.updating.optimizer import build_optimizer, optimizer_tensors

#: from so many rows on, looking through them takes a second or more
LONG_LOOK = 2_000


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
    limit_memory(budget_of(config.memory, read_host()))
    with rewards_of(config, stopping, policy) as rewards, acted_in(config, policy, stopping) as environment:
        control.on_stop_now(rewards.end_now)
        session = build_session(config, policy, dataset, rewards, conduct, environment)
        loop = build_loop(session, store, journal, span, data_state)
        if world.leads:
            look_at_space(assignment.folder, loop)
            keep_identity(assignment.folder, identity_of(config, dataset, assignment.folder, stopping))
        if checkpoint is not None:
            loop.restore(checkpoint)
            loop.know_best(best_kept(assignment.folder, span.start))
        loop.record = RunRecord(estimate_of(session))
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


def rewards_of(config: RunConfig, watch: Watch = UNWATCHED, policy: Policy | None = None) -> RewardSet:
    """The run's rewards, to be closed; none where the model learns from given answers. `watch` may end their calls with
    Stopped; a reward model on `policy`'s base shares it."""
    return build_rewards(
        config.rewards if config.samples else (),
        max_completion_length=config.sampling.max_completion_length,
        watch=watch,
        policy=policy,
    )


def build_session(
    config: RunConfig,
    policy: Policy,
    dataset: Dataset,
    rewards: RewardSet,
    conduct: Conduct,
    environment: Environment | None = None,
) -> TrainingSession:
    """Everything the learners work with. Raises UserError where no row fits, a reward can never apply, or the model cannot
    be shown what its environment answers."""
    tools = () if environment is None else environment.tools
    reader = RowReader(policy.tokenizer, config, policy.context_length, policy.embedding_rows, tools)
    if config.environment is not None and config.environment.max_turns > 1:
        require_turns(policy.tokenizer, {}, reader.options, tools=bool(tools))
    watch = Watch(partial(_tell_of_looking, conduct), conduct.control.stop_requested)
    train = reader.look_through(dataset, "train", dataset.train, watch)
    valid = reader.look_through(dataset, "valid", dataset.valid, watch)
    if not isinstance(config.method, SamplingMethodConfig) or config.method.judged:
        rewards.check_rows(train[: min(len(train), 100)])
    if environment is not None:
        environment.check_rows(train[: min(len(train), 100)])
    session = TrainingSession(
        config=config,
        policy=policy,
        train=train,
        valid=valid,
        batches=batches_of(config, train),
        rewards=rewards,
        plan=plan_for(
            config,
            policy,
            prompt_length=longest_prompt(train, reader),
            answer_length=longest_answer(train, reader),
        ),
        reader=reader,
        environment=environment,
        control=conduct.control,
        emit=conduct.emit,
        world=conduct.world,
    )
    if environment is not None:  # else the first rollout would stand still for it
        environment.prepare(most_episodes(session))
    return session


def most_episodes(session: TrainingSession) -> int:
    """As many as may be open at once."""
    method = session.config.method
    assert isinstance(method, SamplingMethodConfig)
    rows = session.config.training.batch_size * method.group_size
    return max(1, min(-(-rows // session.world.size), session.plan.decode_rows))


def batches_of(config: RunConfig, rows: Chosen) -> PromptBatches:
    """The order in which the run draws its rows."""
    size, seed = config.training.batch_size, config.training.seed
    if isinstance(config.method, PolicyMethodConfig) and config.method.prompt_selection == "signal":
        return SignalBatches(rows, size, seed)
    return PromptBatches(rows, size, seed, shuffle=config.data.shuffle)


def _tell_of_looking(conduct: Conduct, done: int, total: int, what: str) -> None:
    """How far looking through the rows is, where that takes long enough to be seen; it comes before `run_started`."""
    if total >= LONG_LOOK:
        conduct.emit(Phase(phase="prepare", step=0, done=done, total=total, unit=what))


def longest_prompt(rows: Chosen, reader: RowReader) -> int | None:
    """The longest prompt of a sample in tokens, for the memory plan; None in supervised learning."""
    if reader.lens.imitated and not reader.lens.judged:
        return None
    found = reader.lens.sample_that_fits(rows)
    return max((one.read for row in found for one in row.sequences), default=0)


def longest_answer(rows: Chosen, reader: RowReader) -> int | None:
    """The longest judged answer of a sample in tokens; None where no answers are judged."""
    if not reader.lens.judged:
        return None
    found = reader.lens.sample_that_fits(rows)
    return max((one.learnt for row in found for one in row.sequences), default=None)


def build_loop(
    session: TrainingSession, store: CheckpointStore, journal: Journal, span: Span, data_state: State
) -> Loop:
    """The loop with its optimizer and reference, at step 0; `data_state` is kept in every checkpoint."""
    config = session.config
    return Loop(
        session=session,
        learner=learner_for(session),
        optimizer=build_optimizer(
            config.optimizer, session.policy.learnt(), factors=bool(session.policy.adapted)
        ),
        reference=reference_for(session),
        store=store,
        journal=journal,
        span=span,
        fixed_state={"data": data_state},
        diagnosis=Diagnosis.of(config),
        guard=MemoryGuard(limit_of(config.memory, read_host())),
    )


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


def reference_for(session: TrainingSession) -> ReferencePolicy:
    """What the session's method compares the policy with; one that is not needed holds nothing."""
    method = session.config.method
    if isinstance(method, PreferenceConfig):
        return ReferencePolicy(session.policy, needed=method.compares)
    if isinstance(method, OnlinePairConfig):
        return ReferencePolicy(session.policy)
    if isinstance(method, SelfTaughtConfig):
        pace = partial(teacher_share, rate=method.teacher_update_rate, every=method.teacher_sync_steps)
        mode = "ema" if method.keeps_reference else "static"
        return ReferencePolicy(session.policy, mode, needed=method.needs_reference, share=pace)
    if not isinstance(method, PolicyMethodConfig):
        return ReferencePolicy(session.policy, needed=False)
    return ReferencePolicy(
        session.policy,
        method.reference_mode,
        ema_alpha=method.ema_alpha,
        every=method.reference_update_freq,
        needed=method.needs_reference,
    )


#: how a method learns, by its `way` in the table of methods
LEARNERS: dict[Way, Callable[[TrainingSession], Learner]] = {
    "policy_gradient": PolicyGradient,
    "actor_critic": PPO,
    "supervised": Supervised,
    "preference": PreferenceLearner,
    "self_distillation": SelfTeaching,
    "distillation": Distilling,
    "online_preference": OnlinePairs,
}


def learner_for(session: TrainingSession) -> Learner:
    """How the session's method learns."""
    return LEARNERS[METHODS[session.config.method.type].way](session)


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
    return checkpoint


def _data_state(dataset: Dataset, checkpoint: SavedState | None, journal: Journal) -> State:
    """The data files' fingerprints as the run began; on a resume, say where they changed since."""
    if checkpoint is None:
        return dataset.state()
    for sentence in changes(checkpoint.state["data"]):
        journal.notice(
            "data_changed", sentence, "The run goes on with the data as it is now; it is no longer exact."
        )
    return checkpoint.state["data"]


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
