"""What steps teach the estimate: seconds and bytes seen, against those that the formulas foretell for the same work."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from droid_tune.config import RunConfig
from droid_tune.estimate.calibration import environment_key, write_calibration
from droid_tune.estimate.duration import seconds_of
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate, calibration_for, facts_for
from droid_tune.estimate.job import DataLengths
from droid_tune.estimate.sizes import sizes_of
from droid_tune.machine.chips import speed_of
from droid_tune.train.training_session import TrainingSession

#: rows looked at for the lengths of the data
LOOKED_AT = 200
#: steps before which a run teaches nothing
LEAST_STEPS = 3


@dataclass(frozen=True)
class Observed:
    """Work that was done, and what it took: one rollout and the training on `rows` of its rows."""

    prompts: int
    rows: int
    prompt: int
    completion: int
    rollout: float = 0.0
    update: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True)
class Ratios:
    """Observed divided by estimated; 0 where there is nothing to tell."""

    rollout: float = 0.0
    update: float = 0.0
    memory: float = 0.0


def estimate_of(session: TrainingSession) -> Estimate:
    """The estimate of a session's run, with its own rows' lengths and what earlier runs taught."""
    return estimate(session.config, lengths_of(session), suggesting=False)


def lengths_of(session: TrainingSession) -> DataLengths | None:
    """Token lengths of the session's own rows."""
    return session.reader.lengths(session.train, len(session.valid))


def ratios(config: RunConfig, estimated: Estimate, observed: Observed) -> Ratios:
    """How the formulas, uncorrected, do on exactly the work that was observed."""
    facts, host = facts_for(config), estimated.host
    job = replace(
        estimated.job,
        prompts=observed.prompts,
        usual_prompt=observed.prompt,
        usual_completion=observed.completion,
        rows_per_slice=observed.rows,
        slices_per_step=1,
        rollouts_per_step=1.0,
        score_passes=0.0,
    )
    seconds = seconds_of(
        facts,
        sizes_of(config, facts, host.backend),
        job,
        estimated.plan,
        speed_of(host.chip, host.backend),
    )
    return Ratios(
        rollout=observed.rollout / seconds.rollout if seconds.rollout else 0.0,
        update=observed.update / seconds.update if seconds.update else 0.0,
        memory=observed.peak_bytes / estimated.peak.bytes,
    )


@dataclass
class RunRecord:
    """The steps of one session, kept until its end."""

    estimated: Estimate
    rollout: list[float] = field(default_factory=list[float])
    update: list[float] = field(default_factory=list[float])
    steps: list[float] = field(default_factory=list[float])
    lengths: list[float] = field(default_factory=list[float])
    stood: list[float] = field(default_factory=list[float])  # for an environment, in the steps that sampled
    peak_bytes: float = 0.0

    def add(self, metrics: Mapping[str, float | None], seconds: Mapping[str, float]) -> None:
        """One step's event. Time in which the model stood still for its environment says nothing of the machine."""
        stood = metrics.get("episodes/stood_seconds")
        if stood is not None:
            self.stood.append(stood)
        if "rollout" in seconds:
            self.rollout.append(max(0.0, seconds["rollout"] - (stood or 0.0)))
        if "update" in seconds:
            self.update.append(seconds["update"])
        self.steps.append(metrics.get("step_time") or 0.0)
        self.lengths.append(metrics.get("completions/mean_length") or 0.0)
        self.peak_bytes = max(self.peak_bytes, metrics.get("memory/peak_bytes") or 0.0)

    def keep(self, config: RunConfig) -> None:
        """Teach the next estimate of this model what this run took."""
        estimated = self.estimated
        if len(self.steps) < LEAST_STEPS:
            return
        file, known = calibration_for(config)
        now = replace(
            known,
            predicted_peak_bytes=estimated.peak_bytes,
            observed_peak_bytes=int(self.peak_bytes),
            predicted_seconds=estimated.duration.per_step,
            observed_seconds=statistics.median(self.steps),
        )
        if config.environment is not None and self.stood:
            now = now.with_standing(environment_key(config.environment), self._of_one(self.stood))
        found = self._ratios(config, estimated)
        longest = estimated.job.longest_completion
        share = statistics.median(self.lengths) / longest if estimated.job.reinforcement else 0.0
        full = not estimated.job.reinforcement or share > 0.8  # short completions say nothing of the peak
        write_calibration(
            file,
            now.learnt(
                rollout=found.rollout,
                update=found.update,
                memory=found.memory if full else 0.0,
                completion_share=share,
            ),
        )

    def _of_one(self, seconds: Sequence[float]) -> float:
        """What one rollout took, of the sums of those steps that had any: a step may have several, or every other one."""
        rollouts = len(self.steps) * self.estimated.job.rollouts_per_step
        return statistics.median(seconds) * len(seconds) / rollouts if seconds and rollouts else 0.0

    def _ratios(self, config: RunConfig, estimated: Estimate) -> Ratios:
        job = estimated.job
        usual = statistics.median(self.lengths) if job.reinforcement else job.usual_completion
        observed = Observed(
            prompts=job.prompts,
            rows=job.rows_per_slice * job.slices_per_step,
            prompt=job.usual_prompt,
            completion=max(1, round(usual)),
            # a rollout is as long as its longest completion; what is kept is the usual one's share of it
            rollout=self._of_one(self.rollout),
            update=statistics.median(self.update) if self.update else 0.0,
            peak_bytes=int(self.peak_bytes),
        )
        return ratios(config, estimated, observed)
