"""What a run came to, read once from its files: curves, answers before and after, time, and what to read first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from droid_tune.bounds import wilson
from droid_tune.errors import UserError
from droid_tune.events import Completion, Evaluation, RolloutGroup, RunStarted
from droid_tune.metrics import describe, is_right
from droid_tune.paths import RunPaths
from droid_tune.report.general import General, read_general
from droid_tune.report.suspects import Suspect, Suspicion
from droid_tune.runs.best import MEASURES
from droid_tune.runs.folder import RunSummary, summarise
from droid_tune.runs.log import read_events
from droid_tune.runs.state import RunState, small_state


@dataclass(frozen=True)
class HeldOutValue:
    """Held-out rows after `step` updates; `bounds` at 95 % where the value is a share that was counted."""

    step: int
    value: float
    rows: int
    bounds: tuple[float, float] | None


@dataclass(frozen=True)
class Told:
    """One held-out prompt, answered before and after training; the rewards are None where none applied, and `before_right`
    and `after_right` where no accuracy was told."""

    prompt: str
    answer: str | None
    before: str
    after: str
    before_reward: float | None
    after_reward: float | None
    before_right: bool | None = None
    after_right: bool | None = None

    @property
    def change(self) -> float:
        """What it gained; below 0 it was lost. By whether it is right, and by its reward where that is not told."""
        if self.before_right is not None and self.after_right is not None:
            return float(self.after_right - self.before_right)
        return (self.after_reward or 0.0) - (self.before_reward or 0.0)


@dataclass(frozen=True)
class Story:
    """One run. `measure` is what it is told by; `seconds` counts the time that its processes were at work."""

    summary: RunSummary
    state: RunState
    measure: str = ""
    evaluations: tuple[HeldOutValue, ...] = ()
    told: tuple[Told, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    flat: str = ""
    seconds: float = 0.0
    general: General | None = None

    @property
    def before(self) -> HeldOutValue | None:
        """The model as it was, where it was evaluated before the first update."""
        first = self.evaluations[0] if self.evaluations else None
        return first if first is not None and first.step == 0 else None

    @property
    def after(self) -> HeldOutValue | None:
        """The newest evaluation, but for one before training."""
        last = self.evaluations[-1] if self.evaluations else None
        return last if last is not None and last.step > 0 else None

    @property
    def lost(self) -> tuple[Told, ...]:
        """Held-out prompts that were answered better before, the worst first."""
        return tuple(sorted((one for one in self.told if one.change < 0), key=lambda one: one.change))

    @property
    def won(self) -> tuple[Told, ...]:
        """Held-out prompts that are answered better now, the largest gain first."""
        return tuple(sorted((one for one in self.told if one.change > 0), key=lambda one: -one.change))

    @property
    def same(self) -> tuple[Told, ...]:
        """Held-out prompts that are answered as well as before."""
        return tuple(one for one in self.told if one.change == 0)


def read_story(folder: Path) -> Story:
    """Read a run. Raises UserError where the folder is none."""
    summary = summarise(folder)
    paths = RunPaths(folder)
    state, looks = small_state(), dict[int, Evaluation]()
    for event in read_events(paths.events):
        state.apply(event)
        if isinstance(event, RunStarted):
            looks = {step: look for step, look in looks.items() if step <= event.start_step}
        elif isinstance(event, Evaluation):
            looks[event.step] = event
    state.mark_interrupted()
    measure = next((name for name in MEASURES if any(name in one.metrics for one in looks.values())), "")
    evaluations = _measured(looks.values(), measure)
    answers, suspicion = HeldOutAnswers(), Suspicion(state.step)
    for event in read_events(paths.rollouts):
        if isinstance(event, RolloutGroup):
            (answers if event.held_out else suspicion).add(event)
    flat = _flat(state, evaluations, measure)
    return Story(
        summary=summary,
        state=state,
        measure=measure,
        evaluations=evaluations,
        told=answers.told(),
        suspects=suspicion.found(flat=bool(flat)),
        flat=flat,
        seconds=state.clock.worked_seconds,
        general=read_general(folder),
    )


def read_stories(folders: Iterable[Path]) -> tuple[list[Story], list[str]]:
    """The runs that can be read, and a sentence for each that cannot."""
    stories: list[Story] = []
    faults: list[str] = []
    for folder in folders:
        try:
            stories.append(read_story(folder))
        except (UserError, OSError) as error:
            faults.append(f"{folder.name}: {error}")
    return stories, faults


@dataclass
class HeldOutAnswers:
    """Of the held-out groups those of the first and of the last evaluation, by row."""

    _first: dict[int, RolloutGroup] = field(default_factory=dict[int, RolloutGroup])
    _last: dict[int, RolloutGroup] = field(default_factory=dict[int, RolloutGroup])

    def add(self, group: RolloutGroup) -> None:
        """One more group."""
        row = group.group if group.row is None else group.row
        if group.step == 0:
            self._first[row] = group
        elif not self._last or group.step > next(iter(self._last.values())).step:
            self._last = {row: group}
        elif group.step == next(iter(self._last.values())).step:
            self._last[row] = group

    @property
    def newest(self) -> list[RolloutGroup]:
        """Those of the last evaluation after the first step, by their rows."""
        return [self._last[row] for row in sorted(self._last)]

    def told(self) -> tuple[Told, ...]:
        """The rows that both have, in their order."""
        return tuple(
            _told(self._first[row], self._last[row]) for row in sorted(self._first) if row in self._last
        )


def _told(before: RolloutGroup, after: RolloutGroup) -> Told:
    then, now = before.completions[0], after.completions[0]
    return Told(
        before.prompt, before.answer, then.text, now.text, then.reward, now.reward, _right(then), _right(now)
    )


def _right(said: Completion) -> bool | None:
    """None where no reward tells right from wrong."""
    return None if said.rewards.get("accuracy") is None else is_right(said.reward, said.rewards)


def _measured(looks: Iterable[Evaluation], measure: str) -> tuple[HeldOutValue, ...]:
    found: list[HeldOutValue] = []
    for look in sorted(looks, key=lambda one: one.step):
        value = look.metrics.get(measure)
        if value is not None:
            found.append(HeldOutValue(look.step, value, look.rows, _bounds(look, measure, value)))
    return tuple(found)


def _bounds(look: Evaluation, measure: str, value: float) -> tuple[float, float] | None:
    """Those that the evaluation ended by, where it did not answer all rows; else of a count of its rows."""
    least, most = look.metrics.get(f"{measure}/least"), look.metrics.get(f"{measure}/most")
    if least is not None and most is not None:
        return least, most
    counted = describe(measure).unit == "share" and 0 <= value <= 1
    return wilson(value, look.rows) if counted else None


def _flat(state: RunState, evaluations: tuple[HeldOutValue, ...], measure: str) -> str:
    """A sentence where the reward rose and held-out accuracy did not: what was learnt may be the reward's gaps."""
    reward = state.series.get("reward")
    if measure != "eval/accuracy" or reward is None or len(reward) < 8 or len(evaluations) < 2:
        return ""
    quarter = max(1, len(reward) // 4)
    then = sum(reward.values[:quarter]) / quarter
    now = sum(reward.values[-quarter:]) / quarter
    width = max(reward.values) - min(reward.values)
    first, last = evaluations[0], evaluations[-1]
    assert first.bounds is not None
    if width <= 0 or now - then < width / 4 or last.value > first.bounds[1]:
        return ""
    return (
        f"The reward rose from {then:.2f} to {now:.2f}, and held-out accuracy did not leave what it was before "
        f"({first.value:.0%}, up to {first.bounds[1]:.0%} by chance): look whether the reward is earned by right answers."
    )
