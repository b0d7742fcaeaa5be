"""The live table: a run's progress, its last steps and a sampled group, redrawn in place."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from droid_tune import words
from droid_tune.cli.output import amount, console
from droid_tune.events import (
    Completion,
    Evaluation,
    Event,
    Notice,
    RolloutGroup,
    RunFinished,
    RunStarted,
    Steered,
    Step,
)
from droid_tune.metrics import CATALOGUE, describe, rank
from droid_tune.runs.state import RunState, small_state
from droid_tune.runs.steering import steered_sentence

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

#: Columns in their order; a run shows those that its steps report.
COLUMNS = (
    "reward",
    "reward_std",
    "loss",
    "rewards/accuracies",
    "rewards/margins",
    "perplexity",
    "kl/k1",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "grad_norm",
    "learning_rate",
    "tokens_per_second",
    "memory/peak_bytes",
)
HEADINGS = {
    "reward_std": "Spread",
    "rewards/accuracies": "Preferred",
    "kl/k1": "KL",
    "completions/mean_length": "Length",
    "completions/clipped_ratio": "Cut off",
    "grad_norm": "Gradient",
    "learning_rate": "Rate",
    "tokens_per_second": "Tokens/s",
    "memory/peak_bytes": "Memory",
}
#: held-out metrics that are in the events alone
MINOR = (
    "eval/logps",
    "eval/rewards/chosen",
    "eval/rewards/rejected",
    "eval/log_odds",
    "eval/nll_loss",
    "eval/delta",
)
#: of the run's newest steps, those in the table
SHOWN_STEPS = 12


class Listener(Protocol):
    """Whoever hears a run's events, in their order."""

    def apply(self, event: Event) -> None: ...


@contextmanager
def listener(past: Iterable[Event] = ()) -> Generator[Listener]:
    """A live table on a terminal, plain lines anywhere else. `past` is what a run that goes on told before."""
    screen = console()
    looks = [event for event in past if isinstance(event, Evaluation)]
    if not screen.is_terminal:
        yield PlainLines(screen, looks)
        return
    from rich.live import Live

    table = LiveTable(screen, looks)
    with Live(table, console=screen, refresh_per_second=4, vertical_overflow="crop"):
        yield table
    screen.print(finish_sentence(table.state))


def recall(state: RunState, event: Event, looks: Sequence[Evaluation]) -> None:
    """When a run goes on: what was measured before, so that what it gains is counted from its own beginning."""
    if isinstance(event, RunStarted):
        for look in looks:
            if look.step <= event.start_step:
                state.apply(look.model_copy(update={"time": 0.0}))  # no time of this session


class PlainLines:
    """One line for each step, evaluation and notice: for pipes and log files."""

    def __init__(self, screen: Console, looks: Sequence[Evaluation] = ()) -> None:
        self._screen = screen
        self._looks = looks
        self._state = small_state()

    def apply(self, event: Event) -> None:
        """Tell one event, where it is worth a line."""
        self._state.apply(event)
        recall(self._state, event, self._looks)
        match event:
            case Step(step=step):
                values = (f"{heading(name)} {shown(event, name)}" for name in columns([event]))
                self._print(f"step {step}/{self._state.end_step}", *values)
            case Evaluation():
                self._print(evaluation_sentence(event))
            case Notice():
                self._print(notice_sentence(event))
            case Steered():
                self._print(steered_sentence(event))
            case RunFinished():
                self._print(finish_sentence(self._state))
            case _:
                pass

    def _print(self, *parts: str) -> None:
        self._screen.print("  ".join(parts), soft_wrap=True)


class LiveTable:
    """What rich redraws: `__rich__` is asked four times a second."""

    def __init__(self, screen: Console, looks: Sequence[Evaluation] = ()) -> None:
        self._screen = screen
        self._looks = looks
        self.state = small_state()

    def apply(self, event: Event) -> None:
        """Take one event in; what is to stay on the screen is printed above the table."""
        self.state.apply(event)
        recall(self.state, event, self._looks)
        match event:
            case Notice():
                self._screen.print(notice_sentence(event))
            case Steered():
                self._screen.print(steered_sentence(event))
            case Evaluation():
                self._screen.print(evaluation_sentence(event))
            case _:
                pass

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        state = self.state
        if state.ended:
            return steps_table(state)
        parts: list[RenderableType] = [Text(headline(state), style="bold"), bar(state)]
        if state.recent:
            parts.append(steps_table(state))
        if state.rollouts.newest is not None:
            parts.append(sample(state.rollouts.newest))
        return Group(*parts)


def headline(state: RunState) -> str:
    """`grpo on Apple M2: step 12 of 200, sampling completions 40/64, 1.2 s a step, 3 min 40 s left`."""
    phase = state.phase
    of = f" {phase.done}/{phase.total}" if phase is not None and phase.total > 1 else ""
    pace, left = state.seconds_per_step, state.seconds_left
    parts = [
        f"step {state.step} of {state.end_step}" if state.total_steps else "starting",
        f"{state.doing}{of}",
        f"{words.pace(pace)} a step" if pace is not None else "",
        f"{words.duration(left)} left" if left is not None else "",
    ]
    on = f"{state.method} on {state.device}: " if state.device else ""
    return on + ", ".join(part for part in parts if part)


def bar(state: RunState) -> RenderableType:
    """The steps done of all steps, 60 characters wide."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    # In a grid, because a bar alone does not end its line and the redrawing would lose count of them.
    grid = Table.grid()
    grid.add_row(ProgressBar(total=max(1, state.end_step), completed=state.step, width=60))
    return grid


def steps_table(state: RunState) -> Table:
    """The newest steps, with a column for each metric that they report."""
    from rich.table import Table

    steps = list(state.recent)[-SHOWN_STEPS:]
    names = columns(steps)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Step", justify="right")
    for name in names:
        table.add_column(heading(name), justify="right", no_wrap=True)
    for step in steps:
        table.add_row(str(step.step), *(shown(step, name) for name in names))
    return table


def sample(group: RolloutGroup) -> RenderableType:
    """A prompt with its best and its worst completion, a line each."""
    from rich.text import Text

    if not group.completions:
        return Text()
    ranked = sorted(group.completions, key=lambda one: rank(one.reward))
    chosen = [ranked[-1]] if len(ranked) == 1 else [ranked[-1], ranked[0]]
    lines = [f"prompt   {one_line(group.prompt)}", *(completion_line(one) for one in chosen)]
    return Text("\n" + "\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")


def completion_line(completion: Completion) -> str:
    """`   0.75  The answer is 5.`"""
    return f"{amount(completion.reward):>7}  {one_line(completion.text)}"


def one_line(text: str) -> str:
    """Text of a model or a user on one line; control characters (colours, cursor moves) are taken out."""
    return "".join(mark if mark.isprintable() else " " for mark in " ".join(text.split()))


def columns(steps: list[Step]) -> list[str]:
    """The metrics that any of the steps reports, in the order of `COLUMNS`."""
    return [name for name in COLUMNS if any(name in step.metrics for step in steps)]


def heading(name: str) -> str:
    """A metric's name over its column."""
    return HEADINGS.get(name, describe(name).label)


def shown(step: Step, name: str) -> str:
    """A step's value of a metric with its unit; `-` where it has none."""
    return amount(step.metrics.get(name), describe(name).unit)


def evaluation_sentence(event: Evaluation) -> str:
    """The catalogue's held-out metrics; single rewards are in the events."""
    values = [
        f"{describe(name).label.lower().removeprefix('held-out ')} {amount(value, describe(name).unit)}"
        for name, value in event.metrics.items()
        if name in CATALOGUE and value is not None and not name.startswith(MINOR)
    ]
    done, rows = words.count(event.step, "step"), words.count(event.rows, "held-out row")
    return f"After {done}, {rows}: {', '.join(values)}"


def notice_sentence(notice: Notice) -> str:
    """`warning: One reward failed. Look at row 3.`"""
    return one_line(" ".join(part for part in (f"{notice.level}:", notice.text, notice.remedy) if part))


def finish_sentence(state: RunState) -> str:
    """How it ended, with what was gained; why a run failed is said on stderr. Empty before its end."""
    if not state.ended:
        return ""
    if state.life == "failed" and not state.step:
        return "Nothing was trained"
    gained = ""
    for name in ("eval/accuracy", "eval/preference_accuracy"):
        found = state.series.get(name)
        if found is not None and len(found) > 1:
            label = describe(name).label.lower()
            gained += f"; {label} {words.share(found.values[0])} -> {words.share(found.values[-1])}"
    return f"{words.capitalised(state.life)} after {words.count(state.step, 'step')}{gained}"
