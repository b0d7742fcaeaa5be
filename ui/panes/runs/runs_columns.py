"""The columns of the table of runs: what each says of a run, and what it is sorted by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.metrics import CATALOGUE, describe
from ui.panes.runs.run_progress import method_label, telling
from ui.widgets.state_chip import life_words

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

NOTHING = "–"
#: characters of a note in its cell
CELL = 200


@dataclass(frozen=True)
class RunLine:
    """A run as the table shows it: its step and state are those of now, `difference` tells it from its namesakes."""

    run: RunSummary
    step: int
    state: str
    difference: str = ""


@dataclass(frozen=True)
class RunColumn:
    """`key` is kept with what a person chose; `edited`: it can be written in place; `right`: numbers, flush right."""

    key: str
    title: str
    text: Callable[[RunLine], str]
    order: Callable[[RunLine], Any]
    width: int = 110
    right: bool = False
    edited: bool = False


def held_out_words(found: tuple[str, float] | None) -> str:
    """`92% accuracy`: the value of a held-out metric with what it is, shortly."""
    if found is None:
        return NOTHING
    name, value = found
    label = describe(name).label.removeprefix("Held-out ").lower()
    return f"{words.metric(name, value)} {label}"


def _rank(found: tuple[str, float] | None) -> tuple[str, float]:
    """Larger is better, within the runs of one metric."""
    if found is None:
        return "", 0.0
    name, value = found
    return name, value if CATALOGUE[name].good == "up" else -value


def _best(line: RunLine) -> tuple[str, float] | None:
    best = line.run.best
    return None if best is None else (best.metric, best.value)


def _folded(text: str) -> str:
    return text.casefold()


COLUMNS = (
    RunColumn(
        "name",
        "Name",
        lambda one: words.literal(one.run.name),
        lambda one: _folded(one.run.name),
        170,
        edited=True,
    ),
    RunColumn("begun", "Begun", lambda one: words.when(one.run.created), lambda one: one.run.created, 100),
    RunColumn("state", "State", lambda one: life_words(one.state), lambda one: one.state, 98),
    RunColumn(
        "best", "Best held-out", lambda one: held_out_words(_best(one)), lambda one: _rank(_best(one)), 112
    ),
    RunColumn(
        "last",
        "Last held-out",
        lambda one: held_out_words(one.run.held_out),
        lambda one: _rank(one.run.held_out),
        112,
    ),
    RunColumn(
        "steps",
        "Steps",
        lambda one: f"{one.step:,} / {one.run.total_steps:,}",
        lambda one: (one.step, one.run.total_steps),
        84,
        right=True,
    ),
    RunColumn(
        "time",
        "Time",
        lambda one: words.duration(one.run.seconds) if one.run.seconds else NOTHING,
        lambda one: one.run.seconds or 0.0,
        96,
        right=True,
    ),
    RunColumn(
        "method", "Method", lambda one: method_label(one.run), lambda one: _folded(method_label(one.run)), 84
    ),
    RunColumn(
        "model",
        "Model",
        lambda one: words.literal(PurePath(one.run.model).name),
        lambda one: _folded(one.run.model),
    ),
    RunColumn(
        "data",
        "Data",
        lambda one: words.literal(PurePath(one.run.data).name),
        lambda one: _folded(one.run.data),
    ),
    RunColumn(
        "tags",
        "Tags",
        lambda one: words.literal(", ".join(one.run.annotations.tags)),
        lambda one: tuple(map(_folded, one.run.annotations.tags)),
        96,
        edited=True,
    ),
    RunColumn(
        "note",
        "Notes",
        lambda one: words.literal(" ".join(one.run.annotations.note[:CELL].split())),
        lambda one: _folded(one.run.annotations.note),
        150,
        edited=True,
    ),
    RunColumn(
        "differs",
        "Differs in",
        lambda one: words.literal(telling(one.run, one.difference)) or NOTHING,
        lambda one: _folded(one.difference),
        150,
    ),
)
PLACES = {column.key: place for place, column in enumerate(COLUMNS)}


def searched(line: RunLine) -> str:
    """All that a search looks in, folded."""
    run = line.run
    parts = (
        run.name,
        run.id,
        run.method,
        method_label(run),
        run.model,
        run.data,
        line.state,
        line.difference,
    )
    return _folded("\n".join((*parts, *run.annotations.tags, run.annotations.note)))


def written(line: RunLine, key: str) -> str:
    """What is edited in a cell: the whole text, not its shortened form."""
    known = {
        "name": line.run.name,
        "tags": ", ".join(line.run.annotations.tags),
        "note": line.run.annotations.note,
    }
    return known[key]
