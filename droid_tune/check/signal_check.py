"""A minute with the starting model before hours are committed.

Samples and judges a few prompts as a step does, runs one backward pass, and measures memory with the longest prompt
and completions of full length. No weight is changed and no run is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from droid_tune.check.checked_groups import checked_groups
from droid_tune.check.largest_step import LargestStep
from droid_tune.check.sampled_passes import SampledPass, SampledPasses
from droid_tune.config import RunConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.control import Control, Watch
from droid_tune.data.dataset import open_configured
from droid_tune.data.lens import room_of
from droid_tune.errors import UserError
from droid_tune.estimate.calibration import write_calibration
from droid_tune.estimate.check_pace import SAMPLING, Pace, Shortened
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate, calibration_for
from droid_tune.estimate.readiness import DataReadiness, readiness_of
from droid_tune.estimate.signal import CheckReport, Measured, report_of
from droid_tune.events import REWARD_FAILED, Event, Notice, Phase
from droid_tune.machine.scratch import scratch_folder
from droid_tune.train.assembly import build_session, rewards_of
from droid_tune.train.distributed import World
from droid_tune.train.exploring.acting import acted_in
from droid_tune.train.exploring.pace import fitted, measured_pace
from droid_tune.train.saving.run_record import Observed, lengths_of, ratios
from droid_tune.train.starting.start import starting_policy
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

    def run(self, prompts: int) -> CheckReport:
        estimated = estimate(self.config, lengths_of(self.session), suggesting=False)
        sampled = self._fit_into_time(prompts, estimated)
        passes = SampledPasses(self.session, self.config)
        passes.make(sampled, SAMPLING * self._seconds)
        full = LargestStep(self.session, self.config, estimated.plan, self._pace, self._seconds).observed()
        shortened = self._shortened(prompts, len(passes.made), full)
        self._learn(full, estimated)
        last = passes.made[-1]
        step = self._seconds_per_step(last, estimated)
        measured = Measured(
            groups=checked_groups(self.told, self.session),
            loss=last.loss if math.isfinite(last.loss) else 0.0,
            gradient_norm=last.norm if math.isfinite(last.norm) else 0.0,
            finite=all(math.isfinite(one.loss) and math.isfinite(one.norm) for one in passes.made),
            peak_bytes=max(full.peak_bytes, estimated.peak_bytes if shortened.largest else 0),
            budget_bytes=estimated.budget_bytes,
            estimated_peak_bytes=estimated.peak_bytes,
            seconds_per_step=step,
            total_seconds=step * self.config.training.iterations + self._evaluating(),
            failures=tuple(
                event.text for event in self.told if isinstance(event, Notice) and event.code == REWARD_FAILED
            ),
            data=self.data,
            shortened=(*shortened.sentences(), *passes.sentences()),
            sampled_tokens=shortened.tokens if shortened.tokens < shortened.of_tokens else 0,
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

    def _seconds_per_step(self, last: SampledPass, estimated: Estimate) -> float:
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
