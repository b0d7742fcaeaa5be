"""A run as its events tell it, folded into one state: what the window and the terminal draw.

The same `apply` serves a live run, a replayed file and a resumed run, so all three look alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.events import (
    REWARD_FAILED,
    CheckpointSaved,
    Continued,
    Evaluation,
    Event,
    MemoryFacts,
    Notice,
    Paused,
    Phase,
    PlanChosen,
    RolloutGroup,
    RunFinished,
    RunStarted,
    Steered,
    Step,
    TokenDetails,
)
from droid_tune.metrics import is_right
from droid_tune.runs.best import Best, best_of
from droid_tune.runs.kept_rollouts import KeptRollouts
from droid_tune.runs.reward_distribution import distribution
from droid_tune.runs.run_clock import RECENT_STEPS, RunClock
from droid_tune.runs.series import Series
from droid_tune.runs.steering import STEERABLE

Life = Literal["empty", "running", "paused", "completed", "stopped", "failed", "interrupted"]


@dataclass
class RunState:
    """What has happened in one run. `revision` counts changes, so that a pane knows when to repaint.

    Of older steps than the `recent` ones only the metrics stay (`series`).
    """

    run_id: str = ""
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    model: dict[str, Any] = field(default_factory=dict[str, Any])
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    device: str = ""
    memory: MemoryFacts | None = None
    life: Life = "empty"
    why: str = ""
    #: it failed for what lies beside it, such as a full disk
    outside: bool = False
    result: str = ""
    #: what the run waits for its user to mend
    held: Paused | None = None
    step: int = 0
    start_step: int = 0
    total_steps: int = 0
    #: the most memory that any step took, those before a resume too; 0 before the first
    peak_bytes: float = 0.0
    phase: Phase | None = None
    plan: PlanChosen | None = None
    series: dict[str, Series] = field(default_factory=dict[str, Series])
    recent: deque[Step] = field(default_factory=lambda: deque[Step](maxlen=RECENT_STEPS))
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    notices: list[Notice] = field(default_factory=list[Notice])
    checkpoints: list[CheckpointSaved] = field(default_factory=list[CheckpointSaved])
    #: what was changed while it trained, in order
    steered: list[Steered] = field(default_factory=list[Steered])
    #: rows that the newest evaluation answered
    held_out_rows: int = 0
    #: held-out metrics by step
    evaluations: dict[int, dict[str, float | None]] = field(
        default_factory=dict[int, dict[str, float | None]]
    )
    rollouts: KeptRollouts = field(default_factory=KeptRollouts)
    clock: RunClock = field(default_factory=RunClock)
    started_at: float = 0.0
    changed_at: float = 0.0
    revision: int = 0
    #: the steps at which it was gone on with, and at which it ended so far
    resumes: list[int] = field(default_factory=list[int])

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        self.revision += 1
        if not isinstance(event, RunStarted):
            self.clock.worked(self.changed_at, event.time)
        self.changed_at = event.time or self.changed_at
        match event:
            case RunStarted():
                self._begin(event)
            case Phase():
                self.phase = event
            case PlanChosen():
                self.plan = event
            case Step():
                self._step(event)
            case RolloutGroup():
                self._keep(event)
            case TokenDetails():
                pass  # read from the table of completions by whoever looks at one
            case Evaluation(step=step, metrics=metrics, rows=rows):
                self.held_out_rows = rows
                self.evaluations[step] = metrics
                self._record(step, metrics)
            case CheckpointSaved():
                self.checkpoints.append(event)
            case Steered():
                self._steer(event)
            case Notice():
                self._notice(event)
            case Paused(text=text):
                self.life, self.why, self.held = "paused", text, event
            case Continued():
                self.life, self.why, self.held = "running", "", None
            case RunFinished():
                self._finish(event)

    def apply_all(self, events: Iterable[Event]) -> RunState:
        """Fold all of them in; returns the state itself."""
        for event in events:
            self.apply(event)
        return self

    @property
    def running(self) -> bool:
        """Whether it goes on, be it after a pause."""
        return self.life in ("running", "paused")

    @property
    def ended(self) -> bool:
        """Whether it came to an end of any kind."""
        return self.life not in ("empty", "running", "paused")

    @property
    def method(self) -> str:
        """The method's name in the config (`grpo`); empty before the run began."""
        return str(_mapping(self.config.get("method")).get("type", ""))

    @property
    def name(self) -> str:
        """The user's name for the run, else method and model in words."""
        given = str(self.config.get("name") or "")
        model = str(_mapping(self.config.get("model")).get("path", "")).rstrip("/").rpartition("/")[2]
        known = METHOD_CONFIGS.get(self.method)
        method = known.label if known is not None else self.method
        return given or " ".join(part for part in (method, model) if part)

    @property
    def fraction(self) -> float:
        """How many of the run's steps are done, 0 to 1."""
        return min(1.0, self.step / self.end_step) if self.end_step else 0.0

    @property
    def end_step(self) -> int:
        """The step that the run goes to: while it trains an earlier stop that was wished for, else the planned end."""
        stop = _mapping(self.config.get("training")).get("stop_at")
        told = int(stop) if isinstance(stop, int | float) else 0
        return told if self.running and self.step < told < self.total_steps else self.total_steps

    @property
    def seconds_per_step(self) -> float | None:
        """The pace of the recent steps; None before the first."""
        return self.clock.per_step(self._steps_a_rollout)

    @property
    def _steps_a_rollout(self) -> int:
        """How many updates a rollout serves by the settings."""
        method, training = (_mapping(self.config.get(part)) for part in ("method", "training"))
        slices, passes = (_count(method.get(name)) for name in ("steps_per_generation", "num_iterations"))
        return max(1, slices * passes // _count(training.get("gradient_accumulation_steps")))

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the recent pace; None before the first step or when nothing is left to tell."""
        pace = self.seconds_per_step
        if pace is None or not self.running or not self.total_steps:
            return None
        return pace * max(0, self.end_step - self.step)

    @property
    def seconds_left_range(self) -> tuple[float, float] | None:
        """Time to the last step at the quicker and at the slower of the recent steps (their quartiles)."""
        found = self.clock.quartiles(self._steps_a_rollout)
        if self.seconds_left is None or found is None:
            return None
        quick, slow = found
        steps = max(0, self.end_step - self.step)
        return quick * steps, slow * steps

    @property
    def doing(self) -> str:
        """What the engine does now, `sampling completions`; empty between two things, and where nothing runs."""
        return words.phase(self.phase.phase) if self.phase is not None and self.running else ""

    @property
    def last_checkpoint(self) -> CheckpointSaved | None:
        """What was saved last and not taken back by a resume."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def best(self) -> Best | None:
        """The best of the held-out evaluations so far; its checkpoint is kept."""
        return best_of(self.evaluations)

    def last(self, metric: str) -> float | None:
        """A metric's newest value, in the metric's unit."""
        found = self.series.get(metric)
        return found.last if found is not None else None

    def reward_names(self) -> list[str]:
        """The parts of the reward, in the order in which they were first told."""
        return [
            name.split("/")[1]
            for name in self.series
            if name.startswith("rewards/") and name.endswith("/mean")
        ]

    def mark_interrupted(self) -> None:
        """A replayed run that never said its end was cut off (a crash, a power cut)."""
        if self.running:
            self.life, self.held = "interrupted", None
            self.phase = None
            self.revision += 1

    def _begin(self, event: RunStarted) -> None:
        self.run_id = event.run_id or self.run_id
        self.config = event.config
        self.model, self.data = event.model, event.data
        self.device, self.memory = event.device, event.memory
        self.total_steps, self.start_step = event.total_steps, event.start_step
        self.life, self.why, self.result, self.held = "running", "", "", None
        self.phase = None
        self.started_at = self.started_at or event.time
        self.recent.clear()
        self.clock.begin(event.time)
        self._rewind(event.start_step)
        if event.start_step:
            self.resumes.append(event.start_step)

    def _rewind(self, step: int) -> None:
        """Take back what came after `step`: a resumed run does it again, on one continuous curve."""
        self.step = step
        self.clock.rewind(step)
        self.rollouts.rewind(step)
        for series in self.series.values():
            series.truncate(step)
        self.resumes = [at for at in self.resumes if at <= step]
        self.checkpoints = [saved for saved in self.checkpoints if saved.step <= step]
        self.evaluations = {at: one for at, one in self.evaluations.items() if at <= step}
        self.notices = [told for told in self.notices if told.step is not None and told.step <= step]
        self.steered = [made for made in self.steered if made.step <= step]

    def _step(self, event: Step) -> None:
        self.step = event.step
        self.recent.append(event)
        self.seconds = event.seconds
        self._record(event.step, event.metrics)
        self._record(event.step, {f"seconds/{name}": spent for name, spent in event.seconds.items()})
        self.clock.step(event)
        self.peak_bytes = max(self.peak_bytes, event.metrics.get("memory/peak_bytes") or 0.0)

    def _record(self, step: int, metrics: dict[str, float | None]) -> None:
        for name, value in metrics.items():
            if value is None:
                continue
            if (
                known := self.series.get(name)
            ) is None:  # a hundred thousand values come by here as a long run opens
                known = self.series[name] = Series()
            known.append(step, value)

    def _keep(self, event: RolloutGroup) -> None:
        if self.rollouts.keep(event) and not event.held_out:
            self._spread(event.step)

    def _steer(self, event: Steered) -> None:
        """A change made again after a crash replaces its first telling; the shown settings follow."""
        self.steered = [made for made in self.steered if made.wish != event.wish] + [event]
        for name, value in event.settings.items():
            section, key = STEERABLE[name]
            self.config = {**self.config, section: {**_mapping(self.config.get(section)), key: value}}

    def _notice(self, event: Notice) -> None:
        """One more; a word on failing rewards takes the place of the last one."""
        codes = [told.code for told in self.notices]
        if event.code == REWARD_FAILED and event.code in codes:
            self.notices[codes.index(event.code)] = event
        else:
            self.notices.append(event)

    def _spread(self, step: int) -> None:
        """The distribution of a step's rewards, over the groups told so far."""
        told = [
            [(one.reward, is_right(one.reward, one.rewards)) for one in group.completions]
            for group in self.rollouts.by_step[step]
            if not group.held_out
        ]
        self._record(step, dict(distribution(told)))

    def fill(self, earlier: Mapping[str, Series]) -> None:
        """Put values of steps before before those that are known: a run's past, read later than its present."""
        for name, past in earlier.items():
            known = self.series.get(name, Series())
            first = known.steps[0] if len(known) else self.step + 1
            self.series[name] = past.before(first).followed_by(known)
        self.revision += 1

    def _finish(self, event: RunFinished) -> None:
        self.life = event.outcome
        self.why, self.outside, self.held = event.why, event.outside, None
        self.result = event.result
        self.clock.end()
        self.step = event.step or self.step  # a run that failed before it loaded has none to tell
        self.phase = None


def small_state() -> RunState:
    """A run of which no older rollouts than the newest step's are kept at hand, for whoever shows no more."""
    return RunState(rollouts=KeptRollouts(0))


def _count(value: object) -> int:
    """A setting that counts, 1 where it is none."""
    return value if isinstance(value, int) and value > 0 else 1


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
