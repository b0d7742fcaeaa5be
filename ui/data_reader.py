"""Look through data off the GUI thread: validate it, index its rows, measure a sample in tokens. Can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.data.dataset import Dataset, Rows, open_dataset
from droid_tune.data.issues import Issue
from droid_tune.data.report import Report
from droid_tune.data.validate import validate
from droid_tune.errors import Stopped, UserError
from droid_tune.paths import hub_cache_dir, sample_data_dir, starter_model_dir
from ui.background import Task

#: issues listed in the window; the command line prints them all
MOST_ISSUES = 5000
#: rows measured in tokens, spread over the split
MEASURED_ROWS = 400


@dataclass(frozen=True)
class Lengths:
    """Tokens of one field: median, 95th percentile and longest of a sample."""

    median: int
    p95: int
    longest: int


@dataclass
class Inspection:
    """What was found. `dataset` is None where nothing can be trained on; `fault` then says why."""

    path: str
    report: Report | None = None
    dataset: Dataset | None = None
    fault: str = ""
    issues: list[Issue] = field(default_factory=list[Issue])
    issue_count: int = 0

    @property
    def splits(self) -> dict[str, Rows]:
        if self.dataset is None:
            return {}
        return {name: rows for name, rows in self.dataset.splits.items() if len(rows)}


def data_folder(path: str) -> Path:
    """`sample` is the bundled data."""
    return sample_data_dir() if path == "sample" else Path(path).expanduser()


class DataReader(QObject):
    """One look at a time: a newer one cancels the one before. `progressed` in thousandths of the present file."""

    started = Signal()
    progressed = Signal(int, str)
    inspected = Signal(object)  # Inspection
    measured = Signal(object)  # dict[str, Lengths]

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._cancel = threading.Event()
        self._task: Task | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def inspect(self, path: str, method: str, mapping: Mapping[str, str]) -> None:
        self.cancel()
        self._cancel = threading.Event()
        self._task = Task(partial(self._look, path, method, dict(mapping), self._cancel), self)
        self._task.done.connect(self._done)
        self._task.failed.connect(self._failed)
        self.started.emit()
        self._task.start()

    def cancel(self) -> None:
        self._cancel.set()
        self._task = None

    def measure(self, dataset: Dataset, model: str) -> None:
        """Token lengths of a sample with the model's own tokenizer, where it is on this computer."""
        task = Task(partial(token_lengths, dataset.train, model), self)
        task.done.connect(self.measured)
        task.start()

    def _look(
        self, path: str, method: str, mapping: dict[str, str], cancel: threading.Event
    ) -> Inspection | None:
        def progress(done: int, total: int, file: str) -> None:
            self.progressed.emit(round(1000 * done / total) if total else 0, Path(file).name)

        try:
            return inspect(path, method, mapping, progress, cancel.is_set)
        except Stopped:
            return None

    @Slot(object)
    def _done(self, found: Inspection | None) -> None:
        if self.sender() is self._task and found is not None:
            self._task = None
            self.inspected.emit(found)

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        if self.sender() is self._task:
            self._task = None
            self.inspected.emit(Inspection("", fault=sentence))


def inspect(
    path: str, method: str, mapping: Mapping[str, str], progress: Any, should_stop: Any
) -> Inspection:
    """Open the data for a method; where that fails, at least its report."""
    folder = data_folder(path)
    if not folder.exists():
        return Inspection(path, fault=f"There is no file or folder {folder}; choose another one.")
    found = Inspection(path)
    try:
        found.dataset = open_dataset(folder, method, mapping, progress, should_stop)
        found.report = found.dataset.report
    except UserError as error:
        found.fault = str(error)
        found.report = validate(folder, method, mapping, progress, should_stop)
    found.issues = list(islice(found.report.issues, MOST_ISSUES))
    found.issue_count = len(found.report.issues)
    return found


def token_lengths(rows: Rows, model: str) -> dict[str, Lengths]:
    """Lengths of each text field over an even sample of rows; empty where the tokenizer is not at hand."""
    file = _tokenizer_file(model)
    if file is None or not len(rows):
        return {}
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    places = np.unique(np.linspace(0, len(rows) - 1, min(MEASURED_ROWS, len(rows))).astype(int))
    texts: dict[str, list[str]] = {}
    for place in places:
        for name, value in rows.row(int(place)).items():
            if isinstance(value, str) and value:
                texts.setdefault(name, []).append(value)
    return {
        name: _lengths([len(one.ids) for one in tokenizer.encode_batch(sample)])
        for name, sample in texts.items()
    }


def _lengths(counts: list[int]) -> Lengths:
    return Lengths(int(np.median(counts)), int(np.percentile(counts, 95)), max(counts))


def _tokenizer_file(model: str) -> Path | None:
    if model == "starter":
        folder = starter_model_dir()
    else:
        folder = Path(model).expanduser()
    if not folder.is_dir():
        cached = hub_cache_dir() / f"models--{model.replace('/', '--')}" / "snapshots"
        folder = next(iter(sorted(cached.glob("*"))), folder) if cached.is_dir() else folder
    file = folder / "tokenizer.json"
    return file if file.is_file() else None
