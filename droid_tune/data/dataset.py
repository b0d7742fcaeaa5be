"""A data set for training: rows are read from the files when they are asked for, by an index of their places."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from droid_tune.config.model_and_data import DataConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.issues import FileFault
from droid_tune.data.reading import index_cache
from droid_tune.data.reading.discover import Found, discover, given, place_of
from droid_tune.data.reading.fingerprint import Fingerprint, change_of, fingerprint
from droid_tune.data.reading.opened import Opened
from droid_tune.data.reading.rowfile import RowFile, json_row
from droid_tune.data.reading.scan import FileScan, Options
from droid_tune.data.report import FileReport, Report
from droid_tune.data.splits import SPLITS, Split
from droid_tune.data.validate import scan_files
from droid_tune.errors import UserError


class Rows(Sequence[Row]):
    """The accepted rows of one split, in the order of the files. Safe to read from several threads."""

    def __init__(self, files: Sequence[RowFile]) -> None:
        self._files = list(files)
        self._ends = list(accumulate(map(len, self._files)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.row(one) for one in range(*index.indices(len(self)))]
        return self.row(index)

    def __iter__(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self)))

    def row(self, index: int) -> Row:
        """One row as training and rewards see it (`prompt`, `answer`, `system`, ... and the other columns)."""
        file, place = self._locate(index)
        return file.row(place)

    def raw(self, index: int) -> Row:
        """One row as it stands in the file."""
        file, place = self._locate(index)
        return file.raw(place)

    def source(self, index: int) -> tuple[Row, Layout]:
        """One row as it stands in its file, and how that file's rows are read."""
        file, place = self._locate(index)
        return file.raw(place), file.layout

    def place(self, index: int) -> str:
        """Where a row stands, for messages: `train.jsonl:17`."""
        file, place = self._locate(index)
        return file.said_place(place)

    def origin(self, index: int) -> tuple[Path, int]:
        """`(file, line or row number)` of a row."""
        file, place = self._locate(index)
        return file.path, file.number(place)

    def has_lines(self, index: int) -> bool:
        """Whether the row is a line of its file; a row of a table or of a JSON list has a number instead."""
        return self._locate(index)[0].by_line

    def largest_first(self) -> Iterator[int]:
        """Numbers of all rows, those with the most bytes first."""
        sizes = np.concatenate([file.sizes for file in self._files]) if self._files else np.empty(0, np.int64)
        yield from map(int, np.argsort(-sizes, kind="stable"))

    @property
    def layout(self) -> Layout | None:
        """Format and mapping of the first file; None where there is no file."""
        return self._files[0].layout if self._files else None

    def _locate(self, index: int) -> tuple[RowFile, int]:
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        which = bisect_right(self._ends, index)
        return self._files[which], index - (self._ends[which - 1] if which else 0)


class Dataset:
    """Train, valid and test rows of a file or folder, with the report of their validation."""

    def __init__(
        self, path: Path, report: Report, splits: Mapping[Split, Rows], prints: Sequence[Fingerprint]
    ) -> None:
        self.path = path
        self.report = report
        self.splits = dict(splits)
        self.fingerprints = tuple(prints)

    @property
    def train(self) -> Rows:
        """The split that every usable data set has."""
        return self.splits["train"]

    @property
    def valid(self) -> Rows:
        """Held-out rows: the valid split, else the test split, else none."""
        return self.splits["valid"] if len(self.splits["valid"]) else self.splits["test"]

    def __len__(self) -> int:
        return len(self.train)

    def row(self, index: int) -> Row:
        """One row of the train split."""
        return self.train.row(index)

    def state(self) -> dict[str, Any]:
        """What a checkpoint remembers of the files."""
        return {"files": [one.to_json() for one in self.fingerprints]}


#: the pane, the estimate and the run of one process look at the same data
_OPENED: Opened[Dataset] = Opened()


class UnusableDataError(UserError):
    """Data that cannot be trained on, with the whole report on it."""

    def __init__(self, fault: UserError, report: Report) -> None:
        super().__init__(fault.message, value=fault.value, place=fault.place, remedy=fault.remedy)
        self.report = report


def changes(state: Mapping[str, Any]) -> list[str]:
    """A sentence for each file that changed since `Dataset.state()` was taken."""
    known = (Fingerprint.from_json(one) for one in state["files"])
    return [said for said in map(change_of, known) if said is not None]


def open_dataset(
    path: str | Path,
    method: str | None = None,
    mapping: Mapping[str, str] | None = None,
    watch: Watch = UNWATCHED,
    *,
    files: Mapping[Split, Sequence[str | Path]] | None = None,
) -> Dataset:
    """Validate the files and index their accepted rows; what is open already is handed out again, while it stands.

    `files` are read in place of what `path` holds, each as the split that it stands under. Rejected rows are left
    out and are in `report`; a file that cannot be used, or a train split without rows, raises `UserError` with the
    first reason. Raises `Stopped` when asked to stop.
    """
    options = Options(method, dict(mapping or {}), watch, keep_index=True)
    found = given(files) if files else discover(Path(path), watch)
    return _OPENED.get(_key(path, found, options), partial(_open, path, found, options), watch)


def _key(path: str | Path, found: Found, options: Options) -> Hashable:
    """What a data set is known by: its files as splits, and how they are read; methods that need the same share it."""
    return str(path), found.files, found.fault is None, options.need, tuple(sorted(options.mapping.items()))


def _open(path: str | Path, found: Found, options: Options) -> Dataset:
    entry = index_cache.load(found, options)
    if entry is not None:
        return Dataset(Path(path), entry.report, _splits(entry.files), entry.prints)
    key = index_cache.key_of(found, options)
    report, scans = scan_files(Path(path), found, options)
    if not report.usable:
        for scan in scans:
            scan.close()
        raise UnusableDataError(_unusable(report), report)
    prints = _fingerprints(found)
    index_cache.keep(found, options, key, report, scans, prints)
    return Dataset(Path(path), report, _splits(_rows_of(scans)), prints)


def _splits(files: Sequence[tuple[FileReport, RowFile]]) -> dict[Split, Rows]:
    return {split: Rows([rows for file, rows in files if file.split == split]) for split in SPLITS}


def open_configured(
    config: DataConfig,
    method: str | None = None,
    watch: Watch = UNWATCHED,
) -> Dataset:
    """The data of a run, as its config says (`sample` is the bundled one). Raises like `open_dataset`."""
    return open_dataset(place_of(config.path, method), method, config.mapping, watch, files=config.files)


def _rows_of(scans: Sequence[FileScan]) -> list[tuple[FileReport, RowFile]]:
    """The rows of each file; one without a single object among its lines (held out, all broken) has none."""
    return [(one.file, _row_file(one, one.layout)) for one in scans if one.layout is not None]


def _row_file(scan: FileScan, layout: Layout) -> RowFile:
    return RowFile(
        Path(scan.file.path),
        scan.index,
        layout,
        by_line=scan.by_line,
        decode=scan.decode or json_row,
        stored_in=scan.stored_in,
    )


def _fingerprints(found: Found) -> list[Fingerprint]:
    return [fingerprint(one.path) for one in found.files]


def _unusable(report: Report) -> UserError:
    for file in report.errors:
        fault: FileFault | None = file.error
        if fault is not None:
            said, _, remedy = fault.message.rstrip(".").partition("; ")
            return UserError(said, place=os.fspath(file.path), remedy=remedy)
    first = next((issue for issue in report.issues if issue.severity == "error"), None)
    if first is None:
        return UserError(
            "There is no row to train on", place=report.path, remedy="add rows to the train file"
        )
    said, _, remedy = first.message.rstrip(".").partition("; ")
    return UserError(
        _none_of(report.rejected, said),
        place=f"{first.file}:{first.place}",
        remedy=remedy,
    )


def _none_of(rows: int, said: str) -> str:
    if rows == 1:
        return f"Its only row cannot be used: {said}"
    return f"None of the {rows:,} rows can be used; the first: {said}"
