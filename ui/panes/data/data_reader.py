"""Look through data off the GUI thread: validate it, index its rows, propose how to read it. Can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset, Rows, UnusableDataError, open_dataset
from droid_tune.data.formats.base import Row
from droid_tune.data.issues import Issue
from droid_tune.data.mapping import Proposal, propose
from droid_tune.data.reading.discover import place_of
from droid_tune.data.reading.hub_dataset import HUB_PREFIX
from droid_tune.data.reading.peek import first_rows
from droid_tune.data.report import Report
from droid_tune.data.splits import Split
from droid_tune.errors import UserError
from ui.background import Task, answers
from ui.panes.data.columns_said import in_columns
from ui.panes.data.rows.rows_model import cell_text

#: issues listed in the window; the command line prints them all
MOST_ISSUES = 5000
#: rows whose fields make the columns of the table
_ROWS_FOR_COLUMNS = 20

_OURS = ("prompt", "messages", "text", "answer", "completion", "chosen", "rejected", "system")


@dataclass(frozen=True)
class Source:
    """What is to be looked through, and for which method."""

    path: str
    method: str
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[Split, Sequence[str]] = field(default_factory=dict[Split, Sequence[str]])

    @property
    def folder(self) -> Path:
        """`sample` is the bundled data."""
        return place_of(self.path, self.method or None)


@dataclass
class Inspection:
    """What was found. `dataset` is None where nothing can be trained on; `fault` then says why."""

    path: str
    report: Report | None = None
    dataset: Dataset | None = None
    fault: str = ""
    issues: list[Issue] = field(default_factory=list[Issue])
    issue_count: int = 0
    #: of the table, by split: each with the letters of its longest cell among the first
    columns: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    #: rows of the first file as they stand, and how they could be read
    raw_rows: list[Row] = field(default_factory=list[Row])
    proposals: list[Proposal] = field(default_factory=list[Proposal])

    @property
    def splits(self) -> dict[str, Rows]:
        """The splits that have rows, by name."""
        if self.dataset is None:
            return {}
        return {name: rows for name, rows in self.dataset.splits.items() if len(rows)}


class DataReader(QObject):
    """One look at a time: a newer one cancels the one before. `progressed` in thousandths of the present file."""

    started = Signal()
    progressed = Signal(int, str)
    inspected = Signal(object)  # Inspection

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._cancel = threading.Event()
        self._answers = answers()
        self._task: Task | None = None

    @property
    def busy(self) -> bool:
        """Whether a look goes on."""
        return self._task is not None

    def inspect(self, source: Source) -> None:
        """Begin a look; the one before is cancelled and tells nothing any more."""
        self.cancel()
        self._cancel = threading.Event()
        look = partial(self._look, source, self._cancel)
        self._task = Task(look, self, done=self._done, failed=partial(self._failed, source.path))
        self.started.emit()
        self._task.start()

    def cancel(self) -> None:
        """End the look that goes on; nothing is told of it."""
        self._cancel.set()
        if self._task is not None:
            self._task.drop()
        self._task = None

    def _look(self, source: Source, cancel: threading.Event) -> Inspection:
        told = (-1, "")

        def progress(done: int, total: int, file: str) -> None:
            nonlocal told
            now = (round(1000 * done / total) if total else 0, Path(file).name)
            if now != told and not cancel.is_set():
                told = now
                self._answers.post(self, partial(self._say, cancel, *now))

        return inspect(source, Watch(progress, cancel.is_set))

    def _say(self, cancel: threading.Event, thousandths: int, file: str) -> None:
        if not cancel.is_set():
            self.progressed.emit(thousandths, file)

    def _done(self, found: Inspection) -> None:
        self._task = None
        self.inspected.emit(found)

    def _failed(self, path: str, sentence: str) -> None:
        self._done(Inspection(path, fault=sentence))


def inspect(source: Source, watch: Watch) -> Inspection:
    """Open the data for a method; where that fails, at least its report. Raises `Stopped`."""
    found = Inspection(source.path)
    folder = source.folder
    if not source.files and not source.path.startswith(HUB_PREFIX) and not folder.exists():
        found.fault = f"There is no file or folder {folder}; choose another one."
        return found
    try:
        found.dataset = open_dataset(folder, source.method, source.mapping, watch, files=source.files)
        found.report = found.dataset.report
    except UnusableDataError as error:
        found.fault, found.report = str(error), error.report
    except UserError as error:  # the Hub's answer comes before there is any file to report on
        found.fault = str(error)
    if found.report is not None:
        _describe(found, found.report, source.method)
    return found


def _describe(found: Inspection, report: Report, method: str) -> None:
    listed = islice(report.issues, MOST_ISSUES)
    found.issues = [replace(issue, message=in_columns(issue.message)) for issue in listed]
    found.issue_count = len(report.issues)
    found.columns = {split: columns_of(rows) for split, rows in found.splits.items()}
    if report.files:
        with suppress(UserError):  # without a readable row there is nothing to propose for
            found.raw_rows = first_rows(report.files[0].path)
            found.proposals = propose(found.raw_rows, method)


def columns_of(rows: Rows) -> dict[str, int]:
    """The fields of the first rows in their order, and the letters of their longest cell."""
    first = [rows.row(place) for place in range(min(_ROWS_FOR_COLUMNS, len(rows)))]
    names = in_order(dict.fromkeys(name for row in first for name in in_use(row)))
    return {name: max([len(name), *(len(cell_text(row.get(name))) for row in first)]) for name in names}


def in_use(row: Row) -> list[str]:
    """The fields of a row but those of ours that it has no value for: they stand in it as None whether it has them or not."""
    return [name for name, value in row.items() if value is not None or name not in _OURS]


def in_order(names: Iterable[str]) -> list[str]:
    """What the model is asked and answers first, then the columns that only rewards read."""
    present = list(names)
    return sorted(present, key=lambda name: _OURS.index(name) if name in _OURS else len(_OURS))
