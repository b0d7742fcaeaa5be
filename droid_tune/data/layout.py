"""Which format a file's rows have, judged from a sample of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from droid_tune.data.formats.base import Layout, Need, RowFormat
from droid_tune.data.formats.table import FORMATS, usable_formats
from droid_tune.data.issues import listed
from droid_tune.errors import UsageError

SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Detected:
    """The layout of a file, None when no format fits; `also` are other formats that most rows fit as well."""

    layout: Layout | None
    also: tuple[RowFormat, ...] = ()
    usable: bool = True


def detect(rows: Sequence[Mapping[str, Any]], need: Need | None, mapping: Mapping[str, str]) -> Detected:
    """The format that most rows of a sample fit, among those that serve `need`; else the nearest one.

    When no usable format fits but another does, that one comes back with `usable` False: the file is sound, the
    method is not for it.
    """
    layouts = [Layout(one, dict(mapping), need) for one in usable_formats(need)]
    best = _most_fitting(layouts, rows)
    if best is not None:
        return Detected(best, _also(best, layouts, rows))
    others = [
        Layout(one, dict(mapping), None) for one in FORMATS if need is not None and need not in one.needs
    ]
    other = _most_fitting(others, rows)
    if other is not None:
        return Detected(other, usable=False)
    return Detected(_nearest(layouts, rows))


def _most_fitting(layouts: Sequence[Layout], rows: Iterable[Mapping[str, Any]]) -> Layout | None:
    """Each row votes for the first layout that it fits; the most votes win, the earliest vote breaks a tie."""
    votes: Counter[int] = Counter()
    for row in rows:
        place = next((i for i, layout in enumerate(layouts) if layout.fits(row)), None)
        if place is not None:
            votes[place] += 1
    return layouts[votes.most_common(1)[0][0]] if votes else None


def _also(
    best: Layout, layouts: Sequence[Layout], rows: Sequence[Mapping[str, Any]]
) -> tuple[RowFormat, ...]:
    """Other formats that more than half of the rows fit, unless they are only a part of the best one."""
    own = {name for one in best.format.fields for name in one.names}
    return tuple(
        layout.format
        for layout in layouts
        if layout.format is not best.format
        and not {one.name for one in layout.format.required} <= own
        and 2 * sum(layout.fits(row) for row in rows) > len(rows)
    )


def _nearest(layouts: Sequence[Layout], rows: Sequence[Mapping[str, Any]]) -> Layout | None:
    """The layout of which the rows have at least some required fields: what is missing can then be named."""
    scores: Counter[int] = Counter()
    for row in rows:
        for place, layout in enumerate(layouts):
            scores[place] += layout.present(row)
    ranked = [
        (count, -len(layouts[place].format.required), -place) for place, count in scores.items() if count
    ]
    return layouts[-max(ranked)[2]] if ranked else None


def foreign_format(row: Mapping[str, Any], layout: Layout) -> RowFormat | None:
    """The format of a row that does not fit its file's layout but is whole in another; None when it is merely broken.

    A row of prompts among prompt and answer rows lacks its answer: it is not of another format.
    """
    own = {name for one in layout.format.required for name in (*layout.columns(one), one.name)}
    for one in FORMATS:
        other = Layout(one)
        needed = {field.name for field in one.required}
        if one is not layout.format and other.fits(row) and not needed <= own:
            return one
    return None


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise `UsageError` when a mapping names a field that no format has."""
    known = {one.name for row_format in FORMATS for one in row_format.fields}
    for name in mapping:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"`{name}` is no field of any data format",
                place="--map",
                remedy=f"did you mean `{near[0]}`?" if near else f"use one of {listed(sorted(known), 'or')}",
            )
