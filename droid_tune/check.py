"""The signal check: a minute with the starting model before hours are committed.

Samples and judges a few prompts as a step does, runs one backward pass, and measures memory with the longest prompt
and completions of full length. No weight is changed and no run is made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.config import RunConfig
from droid_tune.config.methods import SFTConfig
from droid_tune.config.policy_method import PolicyMethodConfig
from droid_tune.config.preference_methods import PreferenceConfig, RewardModelConfig
from droid_tune.config.rewards import AccuracyReward
from droid_tune.config.sampling_method import SamplingMethodConfig
from droid_tune.control import Control, Watch
from droid_tune.data.dataset import open_configured
from droid_tune.data.lens import room_of
from droid_tune.errors import AbsentTeacherError, UserError
from droid_tune.estimate.calibration import write_calibration
from droid_tune.estimate.check_pace import LARGEST, SAMPLING, Pace, Shortened
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate, calibration_for
from droid_tune.estimate.readiness import DataReadiness, readiness_of
from droid_tune.estimate.signal import Answer, CheckReport, Group, Measured, report_of
from droid_tune.estimate.sizes import OPTIMIZER_COPIES, trained_copies
from droid_tune.events import REWARD_FAILED, Event, Notice, Phase, RolloutGroup
from droid_tune.machine import garbage
from droid_tune.machine.scratch import scratch_folder
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.value_gradients import value_gradients
from droid_tune.model.heads.value_head import reward_head
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.rollout.generate import generate
from droid_tune.train.acting import acted_in
from droid_tune.train.distributed import World
from droid_tune.train.examples import TrainingExample, example_rows
from droid_tune.train.execution import build_session, learner_for, rewards_of
from droid_tune.train.learner import Learner
from droid_tune.train.optimizer import gradient_norm
from droid_tune.train.pace import fitted, measured_pace
from droid_tune.train.pairs.judged_rows import judged_rows_of
from droid_tune.train.row_reader import readable
from droid_tune.train.run_record import Observed, lengths_of, ratios
from droid_tune.train.start import starting_policy
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.teaching.lesson_learner import LessonLearner
from droid_tune.train.training_session import Conduct, TrainingSession

Progress = Callable[[Phase], None]


def check_signal(
    config: RunConfig,
    *,
    prompts: int = 8,
    seconds: float = 60.0,
    control: Control | None = None,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Check a run's signal on `prompts` of its prompts, or on as much as takes about `seconds` here, which is said.

    Raises UserError, and Stopped when `control` says so.
    """
    if prompts < 1:
        raise UserError(f"The check needs 1 prompt or more, not {prompts}")
    told: list[Event] = []

    def emit(event: Event) -> None:
        if isinstance(event, Phase):
            if on_progress is not None:
                on_progress(event)
        else:
            told.append(event)

    control = control or Control()
    dataset = open_configured(config.data, config.method.type, Watch(should_stop=control.stop_requested))
    small = _few(config, prompts)
    with scratch_folder() as folder:
        policy = starting_policy(config, folder, Watch(should_stop=control.stop_requested))
    stopping = Watch(should_stop=control.stop_requested)
    with rewards_of(config, stopping, policy) as rewards, acted_in(config, policy, stopping) as environment:
        session = build_session(small, policy, dataset, rewards, Conduct(control, emit, World()), environment)
        data = readiness_of(dataset, session.reader.lens, room_of(config), policy.context_length)
        return _Check(session, config, told, data, seconds).run(prompts)


def _few(config: RunConfig, prompts: int) -> RunConfig:
    """The same run with a rollout of at most `prompts`, each used once and none sampled again."""
    training = config.training.model_copy(
        update={"batch_size": min(prompts, config.training.batch_size), "gradient_accumulation_steps": 1}
    )
    method = config.method
    if isinstance(method, SamplingMethodConfig):
        once: dict[str, Any] = {"steps_per_generation": 1, "num_iterations": 1}
        if isinstance(method, PolicyMethodConfig):
            once["dynamic_sampling"] = False
        method = method.model_copy(update=once)
    return config.model_copy(update={"training": training, "method": method})


@dataclass(frozen=True)
class _Pass:
    """One backward pass over sampled rows."""

    loss: float
    norm: float
    seconds: dict[str, float]


class _Check:
    """One check: what is sampled, then what is measured."""

    def __init__(
        self,
        session: TrainingSession,
        config: RunConfig,
        told: list[Event],
        data: DataReadiness,
        seconds: float,
    ) -> None:
        self.session, self.config, self.told, self.data = session, config, told, data
        self._seconds = seconds
        self._pace: Pace | None = None  # None where nothing is sampled
        self._untaught = ""  # why the teacher could not be asked
        self._plan = session.plan  # of the sampled steps; then of the run, whose steps may be larger

    def run(self, prompts: int) -> CheckReport:
        estimated = estimate(self.config, lengths_of(self.session), suggesting=False)
        sampled = self._fit_into_time(prompts, estimated)
        passes = self._passes(sampled)
        self._plan = estimated.plan
        full = self._full_length()
        shortened = self._shortened(prompts, len(passes), full)
        self._learn(full, estimated)
        step = self._seconds_per_step(passes[-1], estimated)
        last = passes[-1]
        measured = Measured(
            groups=tuple(self._groups()),
            loss=last.loss if math.isfinite(last.loss) else 0.0,
            gradient_norm=last.norm if math.isfinite(last.norm) else 0.0,
            finite=all(math.isfinite(one.loss) and math.isfinite(one.norm) for one in passes),
            peak_bytes=max(full.peak_bytes, estimated.peak_bytes if shortened.largest else 0),
            budget_bytes=estimated.budget_bytes,
            estimated_peak_bytes=estimated.peak_bytes,
            seconds_per_step=step,
            total_seconds=step * self.config.training.iterations + self._evaluating(),
            failures=tuple(
                event.text for event in self.told if isinstance(event, Notice) and event.code == REWARD_FAILED
            ),
            data=self.data,
            shortened=(*shortened.sentences(), *self._unasked()),
        )
        return report_of(measured, self.config)

    def _fit_into_time(self, prompts: int, estimated: Estimate) -> int:
        """How many prompts are sampled: fewer, or cut shorter, where all of them would take too long here."""
        duration = estimated.duration
        backward = duration.update / duration.rollout if duration.rollout > 0 else 1.0
        self._pace = measured_pace(self.session, backward)
        if self._pace is None:
            return prompts
        self.session, sampled = fitted(self.session, self._pace, prompts, SAMPLING * self._seconds)
        return sampled

    def _shortened(self, prompts: int, passes: int, full: Observed) -> Shortened:
        """What was left out of `prompts` prompts and of completions of full length."""
        config, seen = self.session.config, min(prompts, passes * self.session.config.training.batch_size)
        if self._pace is None:
            return Shortened(seen, prompts)
        tokens, limit = config.sampling.max_completion_length, self.config.sampling.max_completion_length
        return Shortened(seen, prompts, tokens, limit, full.completion)

    def _passes(self, prompts: int) -> list[_Pass]:
        """Rollouts (or batches of rows) until `prompts` were seen, each with its gradient; nothing is applied."""
        learner = learner_for(self.session)
        batch = self.session.config.training.batch_size
        found: list[_Pass] = []
        end = time.perf_counter() + SAMPLING * self._seconds
        for number in range(math.ceil(prompts / batch)):
            if found and time.perf_counter() > end:
                break
            self.session.pause_point()
            found.append(self._one_pass(learner, number))
        return found

    def _one_pass(self, learner: Learner, number: int) -> _Pass:
        """A rollout with its gradient; of a teacher that is not there what can be had without it."""
        if not self._untaught:
            try:
                gathered = learner.gather(number)
            except AbsentTeacherError as error:
                self._untaught = str(error)
            else:
                norm = float(np.asarray(gradient_norm(gathered.gradients)))
                return _Pass(gathered.loss, norm, gathered.seconds)
        assert isinstance(learner, LessonLearner)
        watch = Stopwatch()
        lessons = learner.experience or learner.explore(number, watch)[0]
        learner.experience = None
        with watch("update"):
            self._backward(lessons.scored(lessons.taught), with_entropy=True)
        return _Pass(0.0, 0.0, watch.seconds)

    def _unasked(self) -> list[str]:
        if not self._untaught:
            return []
        return [
            "What the teacher would say was not looked at, only what the student answers and what a step takes: "
            f"{self._untaught}"
        ]

    def _groups(self) -> list[Group]:
        """The sampled groups with rewards, and which completions give the row's answer."""
        groups: list[Group] = []
        for event in self.told:
            if isinstance(event, RolloutGroup):
                groups.append(_group(event, self._passed(event)))
        return groups

    def _passed(self, event: RolloutGroup) -> list[bool | None]:
        """By the run's own accuracy reward, which has judged them already, else by equal values."""
        own = next((one for one in self.config.rewards if isinstance(one, AccuracyReward)), None)
        if own is not None:
            found = [one.rewards.get(own.name or own.type) for one in event.completions]
        else:
            if event.row is None:
                return [None] * len(event.completions)
            row = self.session.reader.prompt(event.row, self.session.train.at(event.row))
            samples = [
                Sample(row.text, one.text, row.fields, one.length, one.finish_reason, row.prompt_ends)
                for one in event.completions
            ]
            found = [number_of(one) for one in Accuracy(AccuracyReward(math=False)).score(samples)]
        return [None if one is None else one > 0.5 for one in found]

    # -- memory and pace ---------------------------------------------------------------------------

    def _full_length(self) -> Observed:
        """The largest step there can be: the longest prompt, every completion as long as allowed."""
        garbage.collect()
        mx.clear_cache()
        mx.reset_peak_memory()
        observed = self._full_example() if not self.config.samples else self._full_rollout()
        policy = self.session.policy
        own = trained_copies(self.config) * policy.trainable_bytes
        kept = OPTIMIZER_COPIES[self.config.optimizer.name] * own
        return replace(observed, peak_bytes=int(mx.get_peak_memory() + kept))

    def _full_rollout(self) -> Observed:
        session, sampling = self.session, self.config.sampling
        method = self.config.method
        assert isinstance(method, SamplingMethodConfig)
        prompt = max(self._prompts(), key=len)
        size = method.group_size
        count = max(1, min(self.config.training.batch_size, self._plan.decode_rows // size))
        tokens = sampling.max_completion_length
        if self._pace is not None:
            tokens = self._pace.affordable_tokens(count * size, tokens, LARGEST * self._seconds)
        stops, session.policy.stop_tokens = session.policy.stop_tokens, frozenset()
        start = time.perf_counter()
        try:
            rollout = generate(
                session.policy,
                [prompt] * count,
                group_size=size,
                sampling=sampling.model_copy(
                    update={"stop_strings": (), "extra_stop_tokens": (), "max_completion_length": tokens}
                ),
                seed=session.seed("check"),
                plan=self._plan,
                watch=session.watch("rollout", 0, "completions"),
            )
        finally:
            session.policy.stop_tokens = stops
        sampled = time.perf_counter()
        learnt = method.learnt_group
        groups = self._groups_at_once(count, learnt)
        part = (size * np.arange(groups)[:, None] + np.arange(learnt)).reshape(-1)
        rows = ScoringRows.of_groups(
            [prompt] * groups, learnt, rollout.tokens[part], rollout.completion_mask[part]
        )
        self._backward(rows, with_entropy=True)
        return Observed(
            prompts=count,
            rows=len(rows),
            prompt=len(prompt),
            completion=rollout.tokens.shape[1],
            rollout=sampled - start,
            update=time.perf_counter() - sampled,
        )

    def _groups_at_once(self, groups: int, size: int) -> int:
        """So many groups of `groups` as the largest micro-batch of the run's plan takes in."""
        plan = self._plan
        return 1 if plan.share_prompts else max(1, min(groups, -(-plan.train_rows // size)))

    def _full_example(self) -> Observed:
        session, count = self.session, self.config.training.batch_size
        if isinstance(self.config.method, PreferenceConfig):
            rows, longest = self._longest_judged(count)
        else:
            found = readable(session.train, self._places(), session.reader.examples)
            longest = max((example for one in found for example in one), key=lambda one: len(one.tokens))
            rows = example_rows([longest] * count)
        start = time.perf_counter()
        self._backward(rows, with_entropy=not isinstance(self.config.method, SFTConfig))
        return Observed(
            prompts=count,
            rows=len(rows),
            prompt=longest.start,
            completion=len(longest.tokens) - longest.start,
            update=time.perf_counter() - start,
        )

    def _longest_judged(self, count: int) -> tuple[ScoringRows, TrainingExample]:
        """So many rows as the longest one whose answers are judged, and the longest of its answers."""
        found = readable(self.session.train, self._places(), self.session.reader.judged)
        longest = max(
            (unit for one in found for unit in one),
            key=lambda unit: sum(len(one.tokens) for one in unit.answers),
        )
        method = self.config.method
        learns_prompt = isinstance(method, PreferenceConfig) and method.learns_prompt
        numbers = isinstance(method, RewardModelConfig)
        rows = judged_rows_of([longest] * count, learns_prompt=learns_prompt, at_end=numbers).rows
        return rows, max(longest.answers, key=lambda one: len(one.tokens))

    def _backward(self, rows: ScoringRows, *, with_entropy: bool) -> None:
        session = self.session
        mask = mx.array(rows.completion_mask)

        def loss(part: Any, logprobs: mx.array, _entropies: Any) -> tuple[mx.array, dict[str, mx.array]]:
            session.pause_point()
            session.phase("update", 0, 0, 0, "longest rows")
            return -(logprobs * mask[mx.array(part)][:, : logprobs.shape[1]]).mean(), {}

        if isinstance(self.config.method, RewardModelConfig):
            head = reward_head(session.policy)
            mx.eval(value_gradients(session.policy, rows, loss, head, plan=self._plan)[1:3])
            return
        _, gradients, _ = loss_and_gradients(
            session.policy,
            rows,
            loss,
            temperature=1.0 if not self.config.samples else self.config.sampling.temperature,
            plan=self._plan,
            with_entropy=with_entropy,
        )
        mx.eval(gradients)

    def _places(self) -> range:
        count = len(self.session.train)
        return range(0, count, max(1, count // 200))

    def _prompts(self) -> list[list[int]]:
        session = self.session
        return [one.tokens for one in readable(session.train, self._places(), session.reader.prompt)]

    def _seconds_per_step(self, last: _Pass, estimated: Estimate) -> float:
        """The last pass's seconds for the run's own number of rows, rollouts and slices."""
        job, small = estimated.job, self.session.config
        part = self.config.training.batch_size / small.training.batch_size
        longer = self.config.sampling.max_completion_length / small.sampling.max_completion_length
        exploring = longer * last.seconds.get("rollout", 0.0) + last.seconds.get("reward", 0.0)
        slices = job.rows_per_slice * job.slices_per_step / (job.prompts * job.learnt_group)
        return part * (job.rollouts_per_step * exploring + slices * longer * last.seconds.get("update", 0.0))

    def _evaluating(self) -> float:
        """Seconds of all evaluations, at the pace that was just measured."""
        now = estimate(self.config, lengths_of(self.session), suggesting=False)
        return max(0.0, now.duration.total - now.job.steps * now.duration.per_step)

    def _learn(self, full: Observed, estimated: Estimate) -> None:
        """Keep for later estimates how fast this machine is with this model."""
        file, known = calibration_for(self.config)
        found = ratios(self.config, estimated, full)
        if known.source == "run" and known.runs:  # whole runs know better
            return
        write_calibration(
            file,
            known.learnt(rollout=found.rollout, update=found.update, memory=found.memory, source="measured"),
        )


def _group(event: RolloutGroup, passed: list[bool | None]) -> Group:
    return Group(
        row=event.row or 0,
        prompt=event.prompt,
        answer=event.answer,
        completions=tuple(
            Answer(
                one.text,
                one.reward,
                dict(one.rewards),
                one.length,
                one.finish_reason == "length",
                verdict,
                tuple(one.turns),
                one.cut,
            )
            for one, verdict in zip(event.completions, passed, strict=True)
        ),
    )
