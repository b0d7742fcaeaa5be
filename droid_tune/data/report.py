"""What a validation found: counts per file, every issue, and whether the data can be trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from droid_tune.data.formats.base import Layout
from droid_tune.data.issues import FileFault, IssueLog
from droid_tune.data.splits import Split


@dataclass
class FileReport:
    """One file, each of its physical rows accounted for: accepted + rejected + blank.

    A train file whose rows name their splits has a report for each; what was rejected is in that of train.
    """

    path: str
    split: Split
    format: str | None = None
    accepted: int = 0
    rejected: int = 0
    blank: int = 0
    error: FileFault | None = None
    layout: Layout | None = None
    #: The mapping of columns that would make the rows fit, where they do not fit as they are.
    proposed_mapping: dict[str, str] = field(default_factory=dict[str, str])

    #: What a person should know of the rows though none is wrong: columns that nobody reads, rows without an answer.
    notes: list[str] = field(default_factory=list[str])

    @property
    def rows(self) -> int:
        """All rows, the blank ones among them."""
        return self.accepted + self.rejected + self.blank

    def to_json(self) -> dict[str, Any]:
        """An entry of `files` in `validate --json`."""
        error = None if self.error is None else {"reason": self.error.reason, "message": self.error.message}
        return {
            "path": self.path,
            "split": self.split,
            "format": self.format,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "blank": self.blank,
            "error": error,
            "notes": list(self.notes),
        }


@dataclass
class Report:
    """All files of a data set. `ok`: nothing is wrong at all; `usable`: training has rows, rejected ones left out."""

    path: str
    files: list[FileReport] = field(default_factory=list[FileReport])
    issues: IssueLog = field(default_factory=IssueLog)
    stats: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def accepted(self) -> int:
        """Rows of all files that can be used."""
        return sum(one.accepted for one in self.files)

    @property
    def rejected(self) -> int:
        """Rows of all files that are left out, with a reason each."""
        return sum(one.rejected for one in self.files)

    @property
    def blank(self) -> int:
        """Blank lines of all files."""
        return sum(one.blank for one in self.files)

    @property
    def notes(self) -> list[str]:
        """The files' notes, each once; a file is named where there are several and not all say the same."""
        said = {
            note: [one for one in self.files if note in one.notes] for one in self.files for note in one.notes
        }
        return [
            note
            if {file.path for file in files} == {file.path for file in self.files}
            else f"{Path(files[0].path).name}: {note}"
            for note, files in said.items()
        ]

    @property
    def errors(self) -> list[FileReport]:
        """The files that could not be read at all."""
        return [one for one in self.files if one.error is not None]

    @property
    def ok(self) -> bool:
        """Usable, and no row is rejected."""
        return self.usable and not self.rejected

    @property
    def usable(self) -> bool:
        """Whether training can start: no file is spoilt and the train split has rows."""
        return not self.errors and any(one.split == "train" and one.accepted for one in self.files)

    def to_json(self) -> dict[str, Any]:
        """The object of DESIGN.md section 6, with all issues; for very many prefer `write_json`."""
        return {**self._head(), "issues": [one.to_json() for one in self.issues], "stats": self._stats()}

    def _stats(self) -> dict[str, Any]:
        proposed = {one.path: one.proposed_mapping for one in self.files if one.proposed_mapping}
        return {**self.stats, "proposed_mappings": proposed} if proposed else self.stats

    def _head(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "ok": self.ok,
            "files": [one.to_json() for one in self.files],
            "accepted": self.accepted,
            "rejected": self.rejected,
            "blank": self.blank,
        }

    def write_json(self, stream: IO[str]) -> None:
        """Write `to_json()` as one line, an issue at a time, so that ten million of them need no memory."""
        for piece in self._pieces():
            stream.write(piece)

    def _pieces(self) -> Iterator[str]:
        yield json.dumps(self._head())[:-1] + ', "issues": ['
        for number, issue in enumerate(self.issues):
            yield (", " if number else "") + json.dumps(issue.to_json())
        yield '], "stats": ' + json.dumps(self._stats()) + "}\n"
