"""The live table: a run's progress, its last steps and a sampled group, redrawn in place."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from droid_tune import words
from droid_tune.cli.output import amount, console
from droid_tune.cli.progress import Progress
from droid_tune.events import Completion, Evaluation, Event, Notice, RunFinished, Step
from droid_tune.metrics import CATALOGUE, describe, rank

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

#: Columns in their order; a run shows those that its steps report.
COLUMNS = (
    "reward",
    "reward_std",
    "loss",
    "perplexity",
    "kl",
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
    "kl": "KL",
    "completions/mean_length": "Length",
    "completions/clipped_ratio": "Cut off",
    "grad_norm": "Gradient",
    "learning_rate": "Rate",
    "tokens_per_second": "Tokens/s",
    "memory/peak_bytes": "Memory",
}
PHASES = {
    "load": "loading",
    "rollout": "sampling",
    "reward": "scoring",
    "update": "updating",
    "evaluate": "evaluating",
    "save": "saving",
}


class Listener(Protocol):
    def apply(self, event: Event) -> None: ...


@contextmanager
def listener() -> Generator[Listener]:
    """A live table on a terminal, plain lines anywhere else."""
    screen = console()
    if not screen.is_terminal:
        yield Lines(screen)
        return
    from rich.live import Live

    table = LiveTable(screen)
    with Live(table, console=screen, refresh_per_second=4, vertical_overflow="crop"):
        yield table
    screen.print(finish_sentence(table.progress))


class Lines:
    """One line for each step, evaluation and notice: for pipes and log files."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._progress = Progress()

    def apply(self, event: Event) -> None:
        self._progress.apply(event)
        match event:
            case Step(step=step):
                values = (f"{heading(name)} {shown(event, name)}" for name in columns([event]))
                self._print(f"step {step}/{self._progress.total}", *values)
            case Evaluation():
                self._print(evaluation_sentence(event))
            case Notice():
                self._print(notice_sentence(event))
            case RunFinished():
                self._print(finish_sentence(self._progress))
            case _:
                pass

    def _print(self, *parts: str) -> None:
        self._screen.print("  ".join(parts), soft_wrap=True)


class LiveTable:
    """What rich redraws: `__rich__` is asked four times a second."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self.progress = Progress()

    def apply(self, event: Event) -> None:
        self.progress.apply(event)
        match event:
            case Notice():  # above the table, so that it stays
                self._screen.print(notice_sentence(event))
            case Evaluation():
                self._screen.print(evaluation_sentence(event))
            case _:
                pass

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        progress = self.progress
        if progress.finished is not None:
            return steps_table(progress)
        parts: list[RenderableType] = [Text(headline(progress), style="bold"), bar(progress)]
        if progress.steps:
            parts.append(steps_table(progress))
        if progress.group is not None:
            parts.append(sample(progress))
        return Group(*parts)


def headline(progress: Progress) -> str:
    """`grpo on Apple M2: step 12 of 200, sampling 40/64, 1.2 s a step, 3 min 40 s left`."""
    phase = progress.phase
    now = ""
    if phase is not None:
        of = f" {phase.done}/{phase.total}" if phase.total > 1 else ""
        now = f"{PHASES[phase.phase]}{of}"
    pace, left = progress.seconds_per_step(), progress.seconds_left()
    parts = [
        f"step {progress.step} of {progress.total}" if progress.total else "starting",
        now,
        f"{words.pace(pace)} a step" if pace is not None else "",
        f"{words.duration(left)} left" if left is not None else "",
    ]
    on = f"{progress.method} on {progress.device}: " if progress.device else ""
    return on + ", ".join(part for part in parts if part)


def bar(progress: Progress) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    # In a grid, because a bar alone does not end its line and the redrawing would lose count of them.
    grid = Table.grid()
    grid.add_row(ProgressBar(total=max(1, progress.total), completed=progress.step, width=60))
    return grid


def steps_table(progress: Progress) -> Table:
    from rich.table import Table

    steps = list(progress.steps)
    names = columns(steps)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Step", justify="right")
    for name in names:
        table.add_column(heading(name), justify="right", no_wrap=True)
    for step in steps:
        table.add_row(str(step.step), *(shown(step, name) for name in names))
    return table


def sample(progress: Progress) -> RenderableType:
    """The newest prompt with its best and its worst completion, a line each."""
    from rich.text import Text

    group = progress.group
    if group is None or not group.completions:
        return Text()
    ranked = sorted(group.completions, key=lambda one: rank(one.reward))
    chosen = [ranked[-1]] if len(ranked) == 1 else [ranked[-1], ranked[0]]
    lines = [f"prompt   {one_line(group.prompt)}", *(completion_line(one) for one in chosen)]
    return Text("\n" + "\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")


def completion_line(completion: Completion) -> str:
    return f"{amount(completion.reward):>7}  {one_line(completion.text)}"


def one_line(text: str) -> str:
    """Text of a model or a user on one line; control characters (colours, cursor moves) are taken out."""
    return "".join(mark if mark.isprintable() else " " for mark in " ".join(text.split()))


def columns(steps: list[Step]) -> list[str]:
    return [name for name in COLUMNS if any(name in step.metrics for step in steps)]


def heading(name: str) -> str:
    return HEADINGS.get(name, describe(name).label)


def shown(step: Step, name: str) -> str:
    return amount(step.metrics.get(name), describe(name).unit)


def evaluation_sentence(event: Evaluation) -> str:
    """The catalogue's held-out metrics; single rewards are in the events."""
    values = [
        f"{describe(name).label.lower().removeprefix('held-out ')} {amount(value, describe(name).unit)}"
        for name, value in event.metrics.items()
        if name in CATALOGUE and value is not None
    ]
    return f"After {event.step} steps, {event.rows} held-out rows: {', '.join(values)}"


def notice_sentence(notice: Notice) -> str:
    return one_line(" ".join(part for part in (f"{notice.level}:", notice.text, notice.remedy) if part))


def finish_sentence(progress: Progress) -> str:
    """How it ended, with what was gained; why a run failed is said on stderr."""
    finished = progress.finished
    if finished is None:
        return ""
    accuracy = progress.accuracy()
    gained = f"; held-out accuracy {accuracy[0]:.0%} -> {accuracy[1]:.0%}" if accuracy else ""
    return f"{finished.outcome.capitalize()} after {finished.step} steps{gained}"
