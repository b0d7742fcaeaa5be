"""The rows of a split as they stand in its files: those that can be used, and those that validation refuses with why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from droid_tune.data.dataset import Rows
from droid_tune.data.report import Report
from droid_tune.data.splits import Split


@dataclass(frozen=True)
class ListedRow:
    """One row, `number` from 1 among all of its split: `index` in the usable rows, or `error` why it is refused."""

    number: int
    index: int | None = None
    error: str = ""


def listed_rows(split: Split, rows: Rows | None, report: Report) -> list[ListedRow]:
    """Every row of a split in the order of its files and of the places in them; blank lines are no rows."""
    files = [file for file in report.files if file.split == split]
    order = {Path(file.path).name: place for place, file in enumerate(files)}
    refusing = {Path(file.path).name: order[Path(file.path).name] for file in files if file.rejected}
    found = [*_usable(rows, order), *_refused(report, refusing)]
    found.sort(key=lambda one: one[0])
    return [ListedRow(number, index, error) for number, (_, index, error) in enumerate(found, start=1)]


_Found = tuple[tuple[int, int], int | None, str]


def _usable(rows: Rows | None, order: dict[str, int]) -> Iterator[_Found]:
    for index in range(0 if rows is None else len(rows)):
        assert rows is not None
        path, place = rows.origin(index)
        yield (order.get(path.name, len(order)), place), index, ""


def _refused(report: Report, order: dict[str, int]) -> Iterator[_Found]:
    """The first fault of each refused row."""
    seen: set[tuple[str, int]] = set()
    for issue in report.issues:
        name = Path(issue.file).name
        known = (name, issue.place)
        if issue.severity == "error" and issue.place and name in order and known not in seen:
            seen.add(known)
            yield (order[name], issue.place), None, issue.message
