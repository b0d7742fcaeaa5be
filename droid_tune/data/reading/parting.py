"""Train files whose rows say themselves to which split they belong: as many parts of each as there are splits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from droid_tune.data.issues import IssueLog, listed
from droid_tune.data.reading.scan import UNKNOWN, UNSAID, FileScan, RowIndex
from droid_tune.data.reading.spill import Numbers, SpillArray
from droid_tune.data.report import FileReport
from droid_tune.data.splits import SPLIT_COLUMN, SPLITS, Split

HELD_OUT: tuple[Split, ...] = ("valid", "test")
_BLOCK = 1 << 18
#: words shown of those that name no split, and characters of each
_SHOWN, _LETTERS = 5, 40


def parted(scans: Sequence[FileScan], log: IssueLog) -> list[FileScan]:
    """The scans of a data set's files, of each train file whose rows name their split one for each split; notes say it.

    Decided over all files at once: one that holds nothing to train on is held out where another has rows for that. Only
    where every row of every file is for validation or tests, and none was refused, all are trained on.
    """
    held = sum(_held_out(scan) for scan in scans)
    rows = sum(_rows(scan) for scan in scans if scan.file.split == "train")
    return [part for scan in scans for part in _parts_of(scan, log, only=held == rows)]


def _rows(scan: FileScan) -> int:
    """Rows that a file has; one more where it could not be read to its end."""
    return scan.file.accepted + scan.file.rejected + (scan.file.error is not None)


def _held_out(scan: FileScan) -> int:
    marks = scan.marks.view()
    return int(sum(np.count_nonzero(marks == SPLITS.index(split)) for split in HELD_OUT))


def _parts_of(scan: FileScan, log: IssueLog, *, only: bool) -> list[FileScan]:
    """A file's scan for each split that its rows belong to, `scan` itself for train."""
    if not len(scan.marks) or scan.file.error is not None:
        return [scan]
    marks = scan.marks.view()
    counts = Counter(
        {int(mark): int(count) for mark, count in zip(*np.unique(marks, return_counts=True), strict=True)}
    )
    scan.file.notes += _said(scan, counts, only=only)
    others: list[FileScan] = []
    for split in () if only else HELD_OUT:
        places = np.flatnonzero(marks == SPLITS.index(split))
        others += [_part(scan, split, places, log)] if len(places) else []
    if others:
        _keep(scan, scan, np.flatnonzero((marks < 0) | (marks == SPLITS.index("train"))))
    return [scan, *others]


def _said(scan: FileScan, counts: Counter[int], *, only: bool) -> list[str]:
    """What the column does in this file."""
    valid, test = (counts[SPLITS.index(split)] for split in HELD_OUT)
    trained, unsaid, unknown = counts.total() - valid - test, counts[UNSAID], counts[UNKNOWN]
    said: list[str] = []
    if unknown:
        shown = listed(word[:_LETTERS] for word, _rows in scan.unknown_words.most_common(_SHOWN))
        said.append(
            f"`{SPLIT_COLUMN}` names no split that is known in {unknown:,} rows ({shown}), and they are trained on; write "
            "train, validation or test there, or remove rows that are not to be learnt."
        )
    if only:
        said.append(
            f"`{SPLIT_COLUMN}` says that all rows are for validation or tests, and they are trained on, since there are no "
            "others."
        )
    elif valid or test:
        kept = " and ".join(
            f"{count:,} for {kind}" for kind, count in (("validation", valid), ("tests", test)) if count
        )
        without = f" ({unsaid:,} of them say no split)" if unsaid else ""
        said.append(
            f"`{SPLIT_COLUMN}` decides where rows belong: {trained:,} are trained on{without}, {kept} are held out. Remove "
            "the column to train on all."
        )
    return said


def _part(scan: FileScan, split: Split, places: Numbers, log: IssueLog) -> FileScan:
    """Rows of another split; what was refused stays the train part's."""
    whole = scan.file
    file = FileReport(whole.path, split, whole.format, layout=whole.layout)
    made = FileScan(file, scan.options, log, by_line=scan.by_line)
    made.decode = scan.decode
    if scan.stored_in is not None:  # each part closes its own
        made.stored_in = os.fdopen(os.dup(scan.stored_in.fileno()), "rb")
    _keep(scan, made, places)
    return made


def _keep(scan: FileScan, part: FileScan, places: Numbers) -> None:
    """Let a part have the rows of the scan at these places alone."""
    index = scan.index
    picked = (_picked(one, places) for one in (index.starts, index.lengths, index.places))
    part.index, part.prompts = RowIndex(*picked), _picked(scan.prompts, places)
    part.file.accepted = len(places)


def _picked(numbers: SpillArray, places: Numbers) -> SpillArray:
    """The numbers at these places; of an array that was not kept none."""
    found = SpillArray()
    if len(numbers):
        for start in range(0, len(places), _BLOCK):
            found.extend(numbers.view()[places[start : start + _BLOCK]])
    return found
