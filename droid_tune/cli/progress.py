"""What a run's events amount to, for the terminal: no drawing here, no engine either."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from droid_tune.events import (
    Checkpoint,
    Evaluation,
    Event,
    Phase,
    Plan,
    RolloutGroup,
    RunFinished,
    RunStarted,
    Step,
)

RECENT = 12
#: Steps over which the speed is taken: enough to be steady, few enough to follow a change.
SPEED_STEPS = 10


@dataclass
class Progress:
    """One run as far as its events told. `step` counts updates done of `total`."""

    name: str = ""
    method: str = ""
    device: str = ""
    total: int = 0
    step: int = 0
    phase: Phase | None = None
    plan: str = ""
    steps: deque[Step] = field(default_factory=lambda: deque[Step](maxlen=RECENT))
    evaluations: list[Evaluation] = field(default_factory=list[Evaluation])
    group: RolloutGroup | None = None
    saved: Checkpoint | None = None
    finished: RunFinished | None = None
    _ticks: deque[tuple[float, int]] = field(
        default_factory=lambda: deque[tuple[float, int]](maxlen=SPEED_STEPS + 1)
    )

    def apply(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._start(event)
            case Phase():
                self.phase = event
            case Plan(sentence=sentence):
                self.plan = sentence
            case Step():
                self.step = event.step
                self.steps.append(event)
                self._ticks.append((event.time, event.step))
            case Evaluation():
                self.evaluations.append(event)
            case RolloutGroup(held_out=False):
                self.group = event
            case Checkpoint():
                self.saved = event
            case RunFinished():
                self.finished = event
            case _:
                pass

    def _start(self, event: RunStarted) -> None:
        self.total, self.step = event.total_steps, event.start_step
        self.name = str(event.config.get("name") or event.run_id)
        self.method = str((event.config.get("method") or {}).get("type", ""))
        self.device = event.device
        self.finished = None
        self._ticks.clear()
        self._ticks.append((event.time, event.start_step))

    def seconds_per_step(self) -> float | None:
        """Wall-clock, so that evaluations and checkpoints count too; None before the first step."""
        if len(self._ticks) < 2:
            return None
        (first_time, first_step), (last_time, last_step) = self._ticks[0], self._ticks[-1]
        return (last_time - first_time) / max(1, last_step - first_step)

    def seconds_left(self) -> float | None:
        pace = self.seconds_per_step()
        return None if pace is None else pace * (self.total - self.step)

    def accuracy(self) -> tuple[float, float] | None:
        """Held-out accuracy at the first and the newest evaluation, where there were two."""
        seen = [one.metrics.get("eval/accuracy") for one in self.evaluations]
        known = [value for value in seen if value is not None]
        return (known[0], known[-1]) if len(known) > 1 else None
