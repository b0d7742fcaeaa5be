"""What a run is trained with, put together from its config: rows and plan, rewards, learner, reference, loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from droid_tune.config import RunConfig
from droid_tune.config.recipes.method_table import METHODS
from droid_tune.config.recipes.online_methods import OnlinePairConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.recipes.teaching_methods import SelfTaughtConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset
from droid_tune.data.order.batches import PromptBatches
from droid_tune.data.order.signal_batches import SignalBatches
from droid_tune.data.rendering.templates.added_turns import require_turns
from droid_tune.environments.episode import Environment
from droid_tune.estimate.busy_tokens import UNMEASURED, Busy
from droid_tune.estimate.calibration import busy_in
from droid_tune.estimate.forecast import calibration_for
from droid_tune.events import Phase
from droid_tune.machine.budget import limit_of
from droid_tune.machine.host import read_host
from droid_tune.methods.reference_sync import teacher_share
from droid_tune.model.plan_for import planner_for
from droid_tune.model.policy import Policy
from droid_tune.model.reference import ReferencePolicy
from droid_tune.names import Way
from droid_tune.rewards.combine import RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.train.assignment import Span
from droid_tune.train.diagnosis.diagnose import Diagnosis
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
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.journal import Journal
from droid_tune.train.steering.memory_guard import MemoryGuard
from droid_tune.train.training_session import Conduct, TrainingSession
from droid_tune.train.updating.optimizer import build_optimizer

#: from so many rows on, looking through them takes a second or more
LONG_LOOK = 2_000


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
        plan=planner_for(config, policy, reader.lengths(train, len(valid))).plan(_measured(config, conduct)),
        reader=reader,
        environment=environment,
        control=conduct.control,
        emit=conduct.emit,
        world=conduct.world,
    )
    if environment is not None:  # else the first rollout would stand still for it
        environment.prepare(most_episodes(session))
    return session


def _measured(config: RunConfig, conduct: Conduct) -> Busy:
    """What this machine was measured to like best; of several computers each would know another."""
    return busy_in(calibration_for(config)[1], config) if conduct.world.alone else UNMEASURED


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


def learner_for(session: TrainingSession) -> Learner:
    """How the session's method learns."""
    return LEARNERS[METHODS[session.config.method.type].way](session)
