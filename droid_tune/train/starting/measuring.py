"""How many rows are best decoded, and trained, together: timed before a run, once for a model, its work and a machine.

Where a device is busy more rows only take memory, on some they even cost time; where that begins no formula knows. Every
way that is tried stays inside the run's memory budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from droid_tune import words
from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.estimate.busy_tokens import UNMEASURED, Busy
from droid_tune.estimate.calibration import work_key, write_calibration
from droid_tune.estimate.forecast import Estimate, calibration_for
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.quickest import quickest
from droid_tune.model.footprint import device_name
from droid_tune.model.plan_for import Planner, planner_for
from droid_tune.rollout.generate import generate
from droid_tune.train.diagnosis.remarks import Notify
from droid_tune.train.rows.short_rows import plan_for_rows
from droid_tune.train.saving.run_record import estimate_of, lengths_of
from droid_tune.train.starting.trial_rows import trial_prompts, trial_rows
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.bare_gradients import bare_gradients

#: at most so many seconds are spent, and at most this share of what the run should take
MOST_SECONDS, MOST_SHARE = 60.0, 0.02
#: tokens of each completion that sampling is timed by
SAMPLED_TOKENS = 16
#: multiples of what is usual in one micro-batch, and of the rows of a wave; the usual one first
MICRO_BATCHES = (1.0, 0.5, 2.0, 4.0)
WAVES = (1.0, 0.5, 0.25)

Clock = Callable[[], float]


def measure_rows(session: TrainingSession, notify: Notify, clock: Clock | None = None) -> None:
    """Give the session the quickest plan and keep what it follows from, where the settings want it and nobody did yet.

    Raises Stopped. Several computers that train together are not timed: they would not agree.
    """
    config = session.config
    wanted = config.memory.measure_rows
    if wanted == "never" or (wanted == "auto" and device_name() == "cpu") or not session.world.alone:
        return
    file, known = calibration_for(config)
    estimated = estimate_of(session)
    trial = _Trial(
        session,
        planner_for(config, session.policy, lengths_of(session)),
        estimated,
        min(MOST_SECONDS, MOST_SHARE * estimated.duration.total),
        clock or _own_clock(),
        known.busy.get(work_key(config), UNMEASURED),
    )
    trial.make()
    if trial.told:
        write_calibration(file, known.with_busy(work_key(config), trial.busy))
        session.plan = trial.planner.plan(trial.busy)
        notify("rows_measured", trial.sentence, level="info")


def _own_clock() -> Clock:
    """The process's own seconds where it computes itself: of a busy machine's time half may be other programs'."""
    return time.process_time if device_name() == "cpu" else time.perf_counter


@dataclass(frozen=True)
class Work:
    """Something to be timed, `rows` at a time."""

    rows: int
    do: Callable[[], None]


@dataclass
class _Trial:
    """What is timed of one session, in `seconds` at most; `busy` is what was found so far."""

    session: TrainingSession
    planner: Planner
    estimated: Estimate
    seconds: float
    clock: Clock
    busy: Busy
    told: list[str] = field(default_factory=list[str])
    spent: float = 0.0

    def make(self) -> None:
        """Time what is not known, not the user's own, and probably quick enough."""
        if self._may_decode and self._suffices(self._rollout_seconds):
            self._choose("decoded", self._waves(), self._decoding)
        if self._may_train and self._suffices(self._update_seconds):
            self._choose("trained", self._micro_batches(), self._training)

    @property
    def _may_decode(self) -> bool:
        session = self.session
        own = self.busy.wave or session.config.memory.rows_per_decode_batch
        return session.config.samples and not own and session.environment is None

    @property
    def _may_train(self) -> bool:
        known = self.busy.shared if self._shares else self.busy.whole
        learns = isinstance(self.session.config.method, (SamplingMethodConfig, SFTConfig))
        return learns and not (known or self.session.config.memory.rows_per_micro_batch)

    @property
    def _rollout_seconds(self) -> float:
        """Estimated, of the part of a rollout that is timed."""
        part = SAMPLED_TOKENS / self.estimated.job.usual_completion
        return min(1.0, part) * self.estimated.duration.rollout

    @property
    def _update_seconds(self) -> float:
        """Estimated, of the part of an update that is timed: where prompts are shared one group."""
        return self.estimated.duration.update / (self.planner.job.prompts if self._shares else 1)

    def _suffices(self, trial: float) -> bool:
        """Whether the time would do for two ways, twice each, at `trial` seconds."""
        return 4 * trial <= self.seconds / 2

    @property
    def sentence(self) -> str:
        """What was found, for the log."""
        found = " and ".join(self.told)
        return f"Timed in {words.duration(self.spent)}: {found}. It is kept for this model and work on this machine."

    @property
    def _shares(self) -> bool:
        """Whether the session's passes share the prompts of groups."""
        sizes, job = self.planner.sizes, self.planner.job
        return self.session.plan.share_prompts and sizes.shares_prompts and job.learnt_group > 1

    def _waves(self) -> list[Busy]:
        rows = self.session.plan.decode_rows
        return [replace(self.busy, wave=max(1, int(part * rows))) for part in WAVES]

    def _micro_batches(self) -> list[Busy]:
        plan, job = self.session.plan, self.planner.job
        if self._shares:
            usual = plan.train_rows * job.longest_completion
            return [replace(self.busy, shared=int(times * usual)) for times in MICRO_BATCHES]
        usual = plan.busy_tokens
        if job.reinforcement:
            usual = plan.train_rows * (job.longest_prompt + job.longest_completion)
        return [replace(self.busy, whole=int(times * usual)) for times in MICRO_BATCHES]

    def _choose(
        self, verb: str, wishes: Sequence[Busy], worked: Callable[[list[MemoryPlan]], list[Work]]
    ) -> None:
        """Time the plans that `wishes` lead to, as far as they fit and differ, and keep the quickest's wish."""
        plans = [self.planner.plan(busy) for busy in wishes]
        works = worked(plans)
        firsts = {works[place].rows: place for place in reversed(range(len(works)))}
        ways = [place for place in sorted(firsts.values()) if plans[place].layer_wise == plans[0].layer_wise]
        if len(ways) < 2:
            return
        found = quickest([self._timed(works[place]) for place in ways], 0, self.seconds / 2)
        if found is None:
            return
        chosen = ways[found.chosen]
        self.busy = wishes[chosen]
        self.spent += found.spent
        told = f"{words.count(works[chosen].rows, 'row')} {verb} together"
        if found.chosen:
            told += f" ({words.share(found.share(0))} of the time that {works[0].rows} take)"
        self.told.append(told)

    def _timed(self, work: Work) -> Callable[[], float]:
        def seconds() -> float:
            self.session.pause_point()
            start = self.clock()
            work.do()
            return self.clock() - start

        return seconds

    def _decoding(self, plans: list[MemoryPlan]) -> list[Work]:
        """The beginning of one rollout in the waves of each plan."""
        session, job = self.session, self.planner.job
        prompts = trial_prompts(session, job.prompts)
        least = min(SAMPLED_TOKENS, session.config.sampling.max_completion_length)
        sampling = session.config.sampling.model_copy(update={"max_completion_length": least})

        def work(plan: MemoryPlan) -> Work:
            def do() -> None:
                generate(
                    session.policy,
                    prompts,
                    group_size=job.group_size,
                    sampling=sampling,
                    seed=session.seed("measure"),
                    plan=plan,
                    watch=session.stopping,
                )

            return Work(min(plan.decode_rows, len(prompts) * job.group_size), do)

        return [work(plan) for plan in plans] if prompts else []

    def _training(self, plans: list[MemoryPlan]) -> list[Work]:
        """The gradient of the same rows in the micro-batches of each plan."""
        session, job = self.session, self.planner.job
        most = job.rows_per_slice
        if job.reinforcement:
            most = min(most, job.learnt_group if self._shares else max(plan.train_rows for plan in plans))
        rows = trial_rows(session, most, self.estimated.job.usual_completion)
        if rows is None:
            return []

        def work(plan: MemoryPlan) -> Work:
            if not job.reinforcement:
                plan = plan_for_rows(replace(session, plan=plan), plan, rows)

            def do() -> None:
                bare_gradients(session, session.config, plan, rows, with_entropy=job.reinforcement)

            return Work(min(plan.train_rows, len(rows)), do)

        return [work(plan) for plan in plans]
