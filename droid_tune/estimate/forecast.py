"""Memory, time and verdict of one config: files' headers in, arithmetic, an `Estimate` out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.estimate.busy_tokens import UNMEASURED
from droid_tune.estimate.calibration import (
    Calibration,
    busy_in,
    calibration_file,
    environment_key,
    read_calibration,
)
from droid_tune.estimate.duration import Seconds, seconds_of
from droid_tune.estimate.job import DataLengths, StepJob, job_of
from droid_tune.estimate.memory import Peak
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.planning import Choice, choose
from droid_tune.estimate.sizes import sizes_of
from droid_tune.machine.budget import budget_of
from droid_tune.machine.chips import speed_of
from droid_tune.machine.host import Host, read_host
from droid_tune.model_files.facts import ModelFacts
from droid_tune.model_files.hub_facts import facts_at_hand

Verdict = Literal["fits", "tight", "too_large", "unknown"]
#: where the time comes from
Basis = Literal["first guess", "measured", "earlier runs"]
#: factor by which each basis may be wrong either way
SPREAD: dict[Basis, float] = {"first guess": 2.0, "measured": 1.35, "earlier runs": 1.2}
#: a machine without room for this beside a run begins to swap
LEAST_FREE_BYTES = 500_000_000
#: how far earlier runs may raise an estimate of memory
MOST_CORRECTED = 1.5


@dataclass(frozen=True)
class Duration:
    """Seconds per step and of the whole run, with the range in which they probably lie."""

    per_step: float
    total: float
    least: float
    most: float
    basis: Basis
    rollout: float = 0.0
    update: float = 0.0


@dataclass(frozen=True)
class Suggestion:
    """A change of the config, as `--set` takes it, and the peak that it leads to."""

    change: str
    peak_bytes: int
    why: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    verdict: Verdict = "fits"

    def to_json(self) -> dict[str, object]:
        """An entry of `suggestions` in `estimate --json`."""
        return {"change": self.change, "peak_bytes": self.peak_bytes, "why": self.why}


@dataclass(frozen=True)
class Estimate:
    """Everything that is said before a run. Bytes of `peak` are of MLX; the host's are of the machine.

    With the verdict `unknown` (nobody knows the model's sizes) memory and time are placeholders that are never shown.
    """

    host: Host
    budget_bytes: int
    peak_bytes: int
    peak: Peak
    plan: MemoryPlan
    job: StepJob
    duration: Duration
    verdict: Verdict
    suggestions: tuple[Suggestion, ...] = ()
    notes: tuple[str, ...] = ()
    calibration: Calibration | None = None

    @property
    def known(self) -> bool:
        """Whether memory and time say anything."""
        return self.verdict != "unknown"

    def to_json(self) -> dict[str, object]:
        """The object of DESIGN.md section 6, `estimate --json`; `parts` are those of the worst moment."""
        host, known = self.host, self.known
        return {
            "host": {
                "memory_bytes": host.memory_bytes,
                "gpu_limit_bytes": host.gpu_limit_bytes,
                "chip": host.chip,
            },
            "memory": {
                "peak_bytes": self.peak_bytes if known else None,
                "parts": self.peak.parts[self.peak.worst] if known else {},
            },
            "time": {
                "seconds_per_step": self.duration.per_step if known else None,
                "basis": self.duration.basis if known else None,
            },
            "verdict": self.verdict,
            "suggestions": [suggestion.to_json() for suggestion in self.suggestions],
        }

    def details(self) -> dict[str, object]:
        """What the window shows besides: rollout and update apart, the plan, the run's time, notes."""
        duration = self.duration
        machine: dict[str, object] = {
            "budget_bytes": self.budget_bytes,
            "used_by_others_bytes": self.host.used_by_others_bytes,
            "notes": list(self.notes),
        }
        if not self.known:
            return machine
        return {
            **machine,
            "stages": {
                name: {"bytes": self.peak.stages[name], "parts": parts}
                for name, parts in self.peak.parts.items()
            },
            "portions": asdict(self.plan),
            "seconds": {
                "rollout": duration.rollout,
                "update": duration.update,
                "run": duration.total,
                "run_range": [duration.least, duration.most],
            },
        }


def facts_for(config: RunConfig) -> ModelFacts:
    """The model's facts as far as they are at hand; see `facts_at_hand` for a model that is not."""
    facts = facts_at_hand(config.model.path, config.model.revision)
    # What an earlier run learnt is fused into layers that are unpacked for it (model/fusing.py).
    return facts.with_unpacked_layers if config.model.start_mode == "fuse" else facts


def forecast(
    config: RunConfig,
    lengths: DataLengths | None,
    host: Host,
    calibration: Calibration | None,
    facts: ModelFacts,
) -> Estimate:
    """The estimate of `config`, without suggestions."""
    job = _as_seen(job_of(config, facts, lengths), calibration)
    sizes = sizes_of(config, facts, host.backend)
    budget = budget_of(config.memory, host)
    memory, busy = config.memory, busy_in(calibration, config)
    choice = choose(
        sizes,
        job,
        budget,
        backend=host.backend,
        backward=memory.backward,
        decode_rows=memory.rows_per_decode_batch,
        train_rows=memory.rows_per_micro_batch,
        busy=busy,
    )
    timed = () if busy == UNMEASURED else ("How many rows go together was timed on this machine.",)
    models = (facts, *(() if sizes.teacher is None else (sizes.teacher.facts,)))
    unknown = next((one for one in models if not one.known), None)
    factor = _memory_factor(calibration)
    peak_bytes = int(choice.peak.bytes * factor)
    seconds = seconds_of(
        facts,
        sizes,
        job,
        choice.plan,
        speed_of(host.chip, host.backend),
        rollout_factor=calibration.rollout_factor if calibration else 1.0,
        update_factor=calibration.update_factor if calibration else 1.0,
    )
    seconds, standing = _with_standing(seconds, config, job, calibration)
    return Estimate(
        host=host,
        budget_bytes=budget,
        peak_bytes=peak_bytes,
        peak=choice.peak,
        plan=choice.plan,
        job=job,
        duration=_duration(seconds, job, calibration),
        verdict=verdict_of(peak_bytes, budget, host) if unknown is None else "unknown",
        notes=(*_notes(choice, facts, lengths, host, peak_bytes, calibration), *timed, *standing)
        if unknown is None
        else unknown.notes[:1],
        calibration=calibration,
    )


def _with_standing(
    seconds: Seconds, config: RunConfig, job: StepJob, calibration: Calibration | None
) -> tuple[Seconds, tuple[str, ...]]:
    """The seconds with those in which the model stands still for its environment, and a sentence about these."""
    if config.environment is None:
        return seconds, ()
    known = calibration.standing.get(environment_key(config.environment)) if calibration else None
    if known is None:
        return seconds, (
            "How long the environment takes to answer is not known before a first run in it: that time comes on top.",
        )
    added = replace(seconds, rollout=seconds.rollout + job.rollouts_per_step * known)
    waiting = (
        f"{words.duration(known)} of each rollout are waited for the environment, as in the last run in it."
    )
    return added, (waiting,) if known >= 1 else ()


def _as_seen(job: StepJob, calibration: Calibration | None) -> StepJob:
    """With completions as long as earlier runs' were; before any run they are taken to be as long as allowed."""
    share = calibration.completion_share if calibration else 0.0
    if not share or not job.reinforcement:
        return job
    return replace(job, usual_completion=max(1, round(min(1.0, share) * job.longest_completion)))


def _memory_factor(calibration: Calibration | None) -> float:
    """Earlier runs correct the peak upwards, within what a formula may be wrong. That one took less than it might have says
    nothing of the next: its longest rows may not have been drawn, and another method takes other memory."""
    return min(MOST_CORRECTED, max(1.0, calibration.memory)) if calibration else 1.0


def verdict_of(peak_bytes: int, budget_bytes: int, host: Host) -> Verdict:
    """too_large beyond the budget; tight within a tenth of it, or where other programs use that memory now."""
    if peak_bytes > budget_bytes:
        return "too_large"
    free = host.memory_bytes - host.used_by_others_bytes - LEAST_FREE_BYTES
    return "tight" if peak_bytes > 0.9 * budget_bytes or peak_bytes > free else "fits"


def _duration(seconds: Seconds, job: StepJob, calibration: Calibration | None) -> Duration:
    basis: Basis = "first guess"
    if calibration and (calibration.rollout or calibration.update):
        basis = "earlier runs" if calibration.source == "run" else "measured"
    total = job.steps * seconds.step + job.evaluations * seconds.evaluation
    spread = SPREAD[basis]
    return Duration(
        seconds.step, total, total / spread, total * spread, basis, seconds.rollout, seconds.update
    )


def _notes(
    choice: Choice,
    facts: ModelFacts,
    lengths: DataLengths | None,
    host: Host,
    peak_bytes: int,
    calibration: Calibration | None,
) -> tuple[str, ...]:
    notes = list(facts.notes)
    if lengths is None:
        notes.append("The data's lengths are not known yet: prompts of 128 tokens are assumed.")
    free = host.memory_bytes - host.used_by_others_bytes - LEAST_FREE_BYTES
    if peak_bytes > free:
        notes.append(
            f"Other programs use {words.size(host.used_by_others_bytes)} now: close some of them first."
        )
    if choice.plan.layer_wise:
        notes.append(
            "Gradients are computed layer by layer to save memory, which takes a quarter to a half longer."
        )
    if choice.plan.segment_tokens:
        notes.append(
            f"Gradients go through long rows {choice.plan.segment_tokens:,} tokens at a time to save memory, which takes a "
            "third longer."
        )
    if calibration and calibration.observed_peak_bytes:
        notes.append(
            f"The last run with this model took {words.size(calibration.observed_peak_bytes)}; "
            f"{words.size(calibration.predicted_peak_bytes)} were estimated."
        )
    return tuple(notes)


def calibration_for(config: RunConfig, host: Host | None = None) -> tuple[Path, Calibration]:
    """The calibration's file for this run's model on this machine, and what it holds so far."""
    file = calibration_file(facts_for(config), (host or read_host()).chip)
    return file, read_calibration(file) or Calibration()
