"""What is asked of the table of a run's completions: which ones, in what order, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from droid_tune.events import Event, RolloutGroup, TokenDetails, TokenTrace, parse_event
from droid_tune.runs.completions.completion_index import FIXED, CompletionIndex
from droid_tune.runs.log import reading_log

Bounds = Mapping[str, tuple[float | None, float | None]]
#: columns that every completion has, by the name that filters and sorting use
COLUMNS = ("step", "row", "reward", "advantage", "length", "cut", "right")


@dataclass(frozen=True)
class Wanted:
    """Which completions are wanted, and in which order. Bounds count both ends; an empty filter takes all that were sampled.

    `bounds` has (least, most) by column or reward part, None for no bound. `text` is looked for in completions and
    prompts as it stands, whatever its case.
    """

    text: str = ""
    bounds: Bounds = field(default_factory=dict[str, tuple[float | None, float | None]])
    held_out: bool = False
    sort: str = ""
    descending: bool = False

    def between(self, name: str, least: float | None, most: float | None) -> Wanted:
        """The same with one bound more, or without it where both ends are open."""
        others = {known: ends for known, ends in self.bounds.items() if known != name}
        return replace(
            self, bounds=others if least is None and most is None else {**others, name: (least, most)}
        )


class CompletionLine(NamedTuple):
    """One completion as the table shows it; `offset` is where its group stands in the file, `member` its place in it,
    `advantage` None where it was not trained on."""

    id: int
    step: int
    group: int
    member: int
    row: int | None
    held_out: int
    reward: float | None
    advantage: float | None
    length: int
    cut: int
    right: int
    offset: int
    parts: Mapping[str, float | None]
    text: str
    prompt: str


class Visit(NamedTuple):
    """One group of a prompt: its data row, the step, how many of its completions were right, and their mean reward."""

    row: int
    step: int
    right: int
    completions: int
    reward: float | None
    offset: int


def find(index: CompletionIndex, wanted: Wanted) -> list[int]:
    """The ids of the completions that a filter wants, in its order (by default as they were sampled)."""
    where, values = _where(index, wanted)
    tables = "completions"
    if wanted.text:
        tables += " JOIN texts USING (id)"
    rows = index.base.execute(
        f"SELECT completions.id FROM {tables} WHERE {where} ORDER BY {_order(index, wanted)}", values
    )
    return [row[0] for row in rows]


def _where(index: CompletionIndex, wanted: Wanted) -> tuple[str, list[Any]]:
    terms: list[str] = ["held_out = ?"]
    values: list[Any] = [int(wanted.held_out)]
    for name, ends in wanted.bounds.items():
        for sign, bound in zip((">=", "<="), ends, strict=True):
            if bound is not None:
                terms.append(f"{column_of(index, name)} {sign} ?")
                values.append(bound)
    if wanted.text:
        pattern = f"%{_literal(wanted.text)}%"
        prompts = "offset IN (SELECT offset FROM groups WHERE prompt LIKE ? ESCAPE '\\')"
        terms.append(f"(text LIKE ? ESCAPE '\\' OR {prompts})")
        values += [pattern, pattern]
    return " AND ".join(terms), values


def _literal(text: str) -> str:
    """A text that LIKE takes as it stands."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _order(index: CompletionIndex, wanted: Wanted) -> str:
    if not wanted.sort:
        return "completions.id"
    direction = "DESC" if wanted.descending else "ASC"
    return f"{column_of(index, wanted.sort)} {direction} NULLS LAST, completions.id"


def column_of(index: CompletionIndex, name: str) -> str:
    """A column's name in the database. Raises KeyError for one that there is not."""
    return f'"{name}"' if name in COLUMNS else f"p{index.part_columns()[name]}"


def lines_of(
    index: CompletionIndex, ids: Sequence[int], characters: int | None = None
) -> list[CompletionLine]:
    """Some completions (a page of a few hundred at most), in the order of the ids given; of their texts and prompts only the
    first `characters`, where that is given."""
    names = ", ".join((*(f'"{name}"' for name in FIXED), *(f"p{p}" for p in index.part_columns().values())))
    marks = ", ".join("?" * len(ids))
    texts = (
        "text, prompt"
        if characters is None
        else f"substr(text, 1, {characters}), substr(prompt, 1, {characters})"
    )
    rows = index.base.execute(
        f"SELECT {names}, {texts} FROM completions JOIN texts USING (id) JOIN groups USING (offset) "
        f"WHERE id IN ({marks})",
        list(ids),
    ).fetchall()
    parts = list(index.part_columns())
    by_id = {row[0]: _line(row, parts) for row in rows}
    return [by_id[one] for one in ids if one in by_id]


def _line(row: Sequence[Any], parts: Sequence[str]) -> CompletionLine:
    values = dict(zip(parts, row[len(FIXED) : -2], strict=True))
    return CompletionLine._make([*row[: len(FIXED)], values, row[-2], row[-1]])


def group_at(rollouts: Path, offset: int) -> RolloutGroup | None:
    """The whole group, as the file tells it; None where it is no longer there. Raises UserError where the disk does not
    give it."""
    event = _event_at(rollouts, offset)
    return event if isinstance(event, RolloutGroup) else None


def trace_of(index: CompletionIndex, line: CompletionLine) -> TokenTrace | None:
    """A completion token by token; None where that was not recorded. Raises UserError where the disk does not give it."""
    found = index.base.execute(
        "SELECT offset FROM traces WHERE step = ? AND grp = ?", (line.step, line.group)
    ).fetchone()
    event = _event_at(index.rollouts, found[0]) if found and not line.held_out else None
    if not isinstance(event, TokenDetails) or line.member >= len(event.completions):
        return None
    return event.completions[line.member]


def _event_at(rollouts: Path, offset: int) -> Event | None:
    with reading_log(rollouts):
        try:
            with rollouts.open("rb") as file:
                file.seek(offset)
                return parse_event(file.readline())
        except (FileNotFoundError, ValueError):
            return None


def steps_of(index: CompletionIndex, *, held_out: bool = False) -> list[int]:
    """The steps that have completions."""
    rows = index.base.execute(
        "SELECT DISTINCT step FROM completions WHERE held_out = ? ORDER BY step", (int(held_out),)
    )
    return [row[0] for row in rows]


def groups_at(index: CompletionIndex, step: int) -> list[RolloutGroup]:
    """All groups of a step, held-out ones too, as the file tells them. Raises UserError where the disk does not give them."""
    offsets = index.base.execute(
        "SELECT DISTINCT offset FROM completions WHERE held_out IN (0, 1) AND step = ? ORDER BY held_out, grp",
        (step,),
    ).fetchall()
    found = [group_at(index.rollouts, offset) for (offset,) in offsets]
    return [group for group in found if group is not None]


def visits_of(index: CompletionIndex, *, row: int | None = None, held_out: bool = False) -> list[Visit]:
    """Every group in order of row and step (of one row, where it is given): for the map of difficulty."""
    which, values = ("row IS NOT NULL", []) if row is None else ("row = ?", [row])
    found = index.base.execute(
        "SELECT row, step, sum(right), count(*), avg(reward), min(offset) FROM completions "
        f"WHERE held_out = ? AND {which} GROUP BY row, step, grp ORDER BY row, step",
        [int(held_out), *values],
    )
    return [Visit(*one) for one in found]


def groups_of(index: CompletionIndex) -> Iterator[tuple[int, list[tuple[float | None, bool]]]]:
    """(step, the reward and rightness of each completion) of each sampled group, in order."""
    rows = index.base.execute(
        "SELECT step, grp, reward, right FROM completions WHERE held_out = 0 ORDER BY step, grp, member"
    )
    key: tuple[int, int] | None = None
    gathered: list[tuple[float | None, bool]] = []
    for step, group, reward, right in rows:
        if key is not None and key != (step, group):
            yield key[0], gathered
            gathered = []
        key = (step, group)
        gathered.append((reward, bool(right)))
    if key is not None:
        yield key[0], gathered
