"""Random access to the accepted rows of one file of JSON rows, one row in memory at a time."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.reading.opening import open_regular
from droid_tune.data.reading.scan import RowIndex
from droid_tune.data.reading.spill import Numbers
from droid_tune.errors import DataChangedError, DiskError


def json_row(raw: bytes) -> Row:
    """A row that was validated as JSON before; Python's numbers are exact."""
    row = json.loads(raw)
    if not isinstance(row, dict):
        raise ValueError("not an object")
    return row


class RowFile:
    """Rows by number, read from the file (or from `stored_in`, where another form of them is kept)."""

    def __init__(
        self,
        path: Path,
        index: RowIndex,
        layout: Layout,
        *,
        by_line: bool = True,
        decode: Callable[[bytes], Row] = json_row,
        stored_in: Any = None,
    ) -> None:
        self.path = path
        self.layout = layout
        self._index = index
        self.by_line = by_line
        self._decode = decode
        self._stream = stored_in or open_regular(path)
        weakref.finalize(self, self._stream.close)

    def __len__(self) -> int:
        return len(self._index.places)

    @property
    def sizes(self) -> Numbers:
        """Bytes of each row as it is stored (N,)."""
        return self._index.lengths.view()

    def raw(self, place: int) -> Row:
        """The row as it stands in the file. Raises `DataChangedError` when the file changed under us, `DiskError` where the
        disk does not give it."""
        start, length = self._index.starts[place], self._index.lengths[place]
        try:
            stored = os.pread(self._stream.fileno(), length, start)
        except OSError as error:
            raise DiskError(
                f"The row cannot be read ({error.strerror or error})",
                place=self.said_place(place),
                remedy="see that the disk is there and sound, and try again",
            ) from error
        try:
            return self._decode(stored)
        except ValueError:
            raise self._changed("is no longer there", place) from None

    def row(self, place: int) -> Row:
        """The row as training sees it."""
        raw = self.raw(place)
        if not self.layout.fits(raw):
            raise self._changed("has other fields now", place)
        return self.layout.normalise(raw)

    def _changed(self, how: str, place: int) -> DataChangedError:
        return DataChangedError(
            f"The file changed while it was in use: the row {how}",
            place=self.said_place(place),
            remedy="put the file back as it was, or start the run anew with the changed file",
        )

    def number(self, place: int) -> int:
        """The line, or the row's number where rows are no lines."""
        return self._index.places[place]

    def said_place(self, place: int) -> str:
        """`train.jsonl:7` for lines, `train.parquet row 7` for all else."""
        word = ":" if self.by_line else " row "
        return f"{self.path.name}{word}{self.number(place)}"
