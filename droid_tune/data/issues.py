"""What is wrong with a row or a file, one issue each, and a log of them that never outgrows memory."""

from __future__ import annotations

import heapq
import json
import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from droid_tune.data.reasons import FileReason, RowReason, Severity, WarningReason

EXCERPT_LENGTH = 120
#: Issues beyond this many of one kind and file wait on disk.
KEPT_IN_MEMORY = 20_000
#: findings that say the same: fewer stand for themselves
LEAST_GROUPED = 3
#: what differs between findings of one kind: numbers, and what is quoted
_OWN = re.compile(r"`[^`]*`|“[^”]*”|\d[\d,.]*")


class RowFault(Exception):  # noqa: N818  (a finding about data, seldom raised far)
    """Why one row is rejected.

    `column` counts characters from 1 at the start of the row; `path` names the value, so that a column can be found
    for it. Where the message says `{place}`, the reader of the file puts the place in its own terms.
    """

    def __init__(
        self,
        reason: RowReason,
        message: str,
        *,
        field: str | None = None,
        column: int | None = None,
        path: tuple[str | int, ...] | None = None,
        foreign: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason: RowReason = reason
        self.message = message
        self.field = field
        self.column = column
        self.path = path
        #: Whether the row is a sound one of another format.
        self.foreign = foreign


class FileFault(Exception):  # noqa: N818
    """Why a whole file cannot be used; counts of what was read before it stand."""

    def __init__(self, reason: FileReason, message: str) -> None:
        super().__init__(message)
        self.reason: FileReason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `line` is a physical line from 1; `index` is 1-based, for rows that have no line of their own."""

    file: str
    line: int | None
    index: int | None
    column: int | None
    field: str | None
    reason: RowReason | WarningReason
    severity: Severity
    message: str
    excerpt: str

    @property
    def place(self) -> int:
        """Its line, else its index; 0 for the file as a whole."""
        return self.line if self.line is not None else self.index or 0

    def to_json(self) -> dict[str, Any]:
        """The object of DESIGN.md section 6: `line` or `index`, never both."""
        where = {"index": self.index} if self.line is None and self.index is not None else {"line": self.line}
        return {
            "file": self.file,
            **where,
            "column": self.column,
            "field": self.field,
            "reason": self.reason,
            "severity": self.severity,
            "message": self.message,
            "excerpt": self.excerpt,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Issue:
        """Reads what `to_json` wrote, also where a place was left out."""
        known: dict[str, Any] = {"line": None, "index": None, **value}
        return Issue(**known)


class IssueRun:
    """Issues of one file in the order of their places: the first ones in memory, the rest in a temporary file."""

    def __init__(self) -> None:
        self._kept: list[Issue] = []
        self._spilled: IO[str] | None = None
        self._count = 0

    def append(self, issue: Issue) -> None:
        """Keeps the issue: the first in memory, the others in an unnamed temporary file."""
        self._count += 1
        if len(self._kept) < KEPT_IN_MEMORY:
            self._kept.append(issue)
            return
        if self._spilled is None:
            # Lives as long as this log; an unnamed file needs no cleaning up.
            self._spilled = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
            weakref.finalize(self, self._spilled.close)
        self._spilled.write(json.dumps(issue.to_json()) + "\n")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Issue]:
        yield from self._kept
        if self._spilled is None:
            return
        self._spilled.flush()
        position = 0
        while True:
            self._spilled.seek(position)
            line = self._spilled.readline()
            if not line:
                return
            position = self._spilled.tell()
            yield Issue.from_json(json.loads(line))


class IssueLog:
    """All issues of a report, by file and then by place. Each file brings runs that are sorted in themselves."""

    def __init__(self) -> None:
        self._files: list[list[IssueRun]] = []

    def open_file(self) -> list[IssueRun]:
        """The runs of one more file: append an `IssueRun` per source of findings."""
        runs: list[IssueRun] = []
        self._files.append(runs)
        return runs

    def __len__(self) -> int:
        return sum(len(run) for runs in self._files for run in runs)

    def __iter__(self) -> Iterator[Issue]:
        for runs in self._files:
            yield from heapq.merge(*runs, key=_place)

    def count(self, severity: Severity) -> int:
        """How many issues of a severity there are."""
        return sum(issue.severity == severity for issue in self)


def alike(issues: Iterable[Issue]) -> list[list[Issue]]:
    """Findings by file, severity, field and what is said, numbers and quotes aside; in the order of their firsts."""
    found: dict[tuple[str, str, str, str], list[Issue]] = {}
    for issue in issues:
        key = (issue.file, issue.severity, issue.field or "", _OWN.sub("#", issue.message))
        found.setdefault(key, []).append(issue)
    return list(found.values())


def _place(issue: Issue) -> int:
    return issue.place


def excerpt_of(raw: bytes | str, column: int | None = None) -> str:
    """The raw text around a place, at most `EXCERPT_LENGTH` characters; bytes that are no UTF-8 show as \\xNN."""
    text = (
        raw
        if isinstance(raw, str)
        else raw[: 16 * EXCERPT_LENGTH + 4 * (column or 0)].decode("utf-8", "backslashreplace")
    )
    middle = max(0, (column or 1) - 1)
    start = max(0, middle - EXCERPT_LENGTH // 2) if middle > EXCERPT_LENGTH - 20 else 0
    return text[start : start + EXCERPT_LENGTH].rstrip("\r\n").encode("utf-8", "backslashreplace").decode()


def listed(names: Iterable[str], last: str = "and") -> str:
    """`a, b and c`, each in back quotes."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"
