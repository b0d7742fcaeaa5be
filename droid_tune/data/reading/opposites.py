"""Rows that judge the same answers the other way round: good here and bad there, or better here and worse there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.reading.duplicates import repeats, row_hash
from droid_tune.data.reading.spill import SpillArray

_ASKED = ("prompt", "system", "tools")


class Verdicts:
    """What each row of a file judges, by a hash of 64 bits, and which way. `count` takes rows that have passed the check
    of the file's layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._judged = SpillArray()
        self._ways = SpillArray()

    def count(self, rows: Sequence[Row]) -> None:
        """Take in accepted rows, in the file's order."""
        found = [_verdict(self._layout.normalise(row)) for row in rows]
        self._judged.extend([judged for judged, _ in found])
        self._ways.extend([way for _, way in found])

    def opposed(self) -> Iterator[tuple[int, int]]:
        """`(place, place of the first row that judges the same)` of every row that says the opposite of it."""
        for later, first in repeats(self._judged):
            if self._ways[later] != self._ways[first]:
                yield later, first


def _verdict(row: Row) -> tuple[int, int]:
    """What a row judges, and 1 where it is the first of two answers, or the only one, that it calls good."""
    asked: dict[str, Any] = {key: row[key] for key in _ASKED if row.get(key) is not None}
    if "label" in row:
        said = row.get("completion", row.get("answer"))
        return row_hash({**asked, "said": said}), int(bool(row["label"]))
    sides = [row_hash({"said": row.get(name)}) for name in ("chosen", "rejected")]
    return row_hash({**asked, "said": sorted(sides)}), int(sides[0] <= sides[1])
