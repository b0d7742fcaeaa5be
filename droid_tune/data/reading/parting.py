"""A train file whose rows say themselves to which split they belong: as many parts of it as there are splits."""

from __future__ import annotations

import os

import numpy as np

from droid_tune.data.issues import IssueLog
from droid_tune.data.reading.scan import UNSAID, FileScan, RowIndex
from droid_tune.data.reading.spill import Numbers, SpillArray
from droid_tune.data.report import FileReport
from droid_tune.data.splits import SPLITS, Split

HELD_OUT: tuple[Split, ...] = ("valid", "test")
_BLOCK = 1 << 18


def parts_of(scan: FileScan, log: IssueLog) -> list[FileScan]:
    """A scan for each split that rows of the file belong to, `scan` itself for train; it alone where rows say nothing, or
    none were left to train on."""
    marks = scan.marks.view()
    trained = np.flatnonzero((marks == UNSAID) | (marks == SPLITS.index("train")))
    if len(trained) in (0, len(marks)) or scan.file.error is not None:
        return [scan]
    others: list[FileScan] = []
    for split in HELD_OUT:
        places = np.flatnonzero(marks == SPLITS.index(split))
        others += [_part(scan, split, places, log)] if len(places) else []
    _keep(scan, scan, trained)
    return [scan, *others]


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
