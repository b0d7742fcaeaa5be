"""The first rows of a file as they stand, before anything is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.issues import FileFault, IssueLog
from droid_tune.data.reading.discover import discover
from droid_tune.data.reading.opening import open_regular
from droid_tune.data.reading.scan import FileScan, Options
from droid_tune.data.report import FileReport
from droid_tune.data.validate import scan_stream
from droid_tune.errors import UserError


class _Enough(Exception):  # noqa: N818
    """The sample is taken; the rest of the file need not be read."""


class _Sampler(FileScan):
    """Takes the rows by which a layout would be judged, and reads no further."""

    rows: Sequence[Row] = ()

    def detect(self, rows: Sequence[Any]) -> None:
        self.rows = [row for row in rows if isinstance(row, dict)]
        if self.rows:
            raise _Enough


def first_rows(path: str | Path) -> list[Row]:
    """Up to a thousand rows from the beginning of a file (of a folder: its train file, else its first).

    Raises `UserError` when there is none to be had.
    """
    found = discover(Path(path))
    if not found.files:
        message = found.fault.message if found.fault is not None else "The folder has no data file"
        raise UserError(message, place=str(path))
    file = found.files[0]
    sampler = _Sampler(FileReport(str(file.path), file.split), Options(), IssueLog())
    try:
        with open_regular(file.path) as stream:
            scan_stream(stream, file.path, sampler)
    except _Enough:
        return list(sampler.rows)
    except FileFault as fault:
        raise UserError(fault.message, place=str(file.path)) from None
    raise UserError("The file holds no row that could be read", place=str(file.path))
