"""CSV and TSV: a header, then one record per row; a quoted cell may span lines, a broken record costs only itself."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.formats.parts.answers import answers_in_cell
from droid_tune.data.issues import FileFault, RowFault
from droid_tune.data.layout import SAMPLE_ROWS
from droid_tune.data.reading.examine import check_row, decode
from droid_tune.data.reading.scan import FileScan
from droid_tune.data.reasons import MAX_ROW_BYTES

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_COUNT_EVERY = 2000
#: Cells may be as long as rows; the module's own limit is 131,072 characters.
csv.field_size_limit(MAX_ROW_BYTES)


@dataclass
class Record:
    """One record as it stands: its cells, or what is wrong with it."""

    line: int
    start: int
    raw: bytes
    cells: list[str]
    fault: RowFault | None = None


def scan_delimited(stream: BinaryIO, start: int, size: int, scan: FileScan) -> None:
    """Scan a `.csv` or `.tsv` file; lines are those of the file, the header being line 1."""
    is_tsv = scan.file.path.lower().removesuffix(".gz").endswith(".tsv")
    reader = _Records(stream, start, "\t" if is_tsv else None)
    header = _header(reader)
    scan.decode = lambda raw: _opened(_as_row(header, _cells(raw.decode(), reader.delimiter)), scan.layout)
    waiting: list[Record] = []
    for count, record in enumerate(reader):
        if count % _COUNT_EVERY == 0:
            scan.check_stop(record.start, size)
        if scan.detected:
            _judge(record, header, scan)
            continue
        waiting.append(record)
        if len(waiting) == SAMPLE_ROWS:
            _settle(waiting, header, scan)
    _settle(waiting, header, scan)
    scan.check_stop(size, size)


def _settle(waiting: list[Record], header: list[str], scan: FileScan) -> None:
    """Judge the records that waited for the layout."""
    good = [one for one in waiting if one.fault is None and any(cell.strip() for cell in one.cells)]
    # The header decides: a record that is too short lacks a cell, not a column.
    scan.detect([dict.fromkeys(header, "") | _as_row(header, one.cells) for one in good])
    for one in waiting:
        _judge(one, header, scan)
    waiting.clear()


def _header(reader: _Records) -> list[str]:
    first = next((one for one in reader if one.fault is not None or any(map(str.strip, one.cells))), None)
    if first is None:
        raise FileFault("no_rows", "The file holds nothing but blank lines; add a header and rows.")
    if first.fault is not None and b"\r" in first.raw.rstrip(b"\r\n"):
        raise FileFault(
            "unsupported_encoding", "The lines end with bare carriage returns; save the file with LF ends."
        )
    if first.fault is not None:
        said = first.fault.message.replace("{place}", f"column {first.fault.column}")
        raise FileFault("unsupported_file_type", f"The first line is no header of columns: {said}")
    names = [name.strip() or f"column_{number}" for number, name in enumerate(first.cells, 1)]
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise FileFault(
            "duplicate_key", f"The header names the column `{repeated}` twice; rename one of them."
        )
    return names


def _as_row(header: list[str], cells: list[str]) -> Row:
    return dict(zip(header, cells, strict=False))


def _opened(row: Row, layout: Layout | None) -> Row:
    """Cells of answers that hold an annotation tool's JSON (`{"choices": ["a", "b"]}`, `["a", "b"]`) as that value."""
    if layout is None:
        return row
    for one in layout.fields:
        if one.kind == "answer":
            row |= {name: answers_in_cell(row[name]) for name in layout.columns(one) if name in row}
    return row


def _judge(record: Record, header: list[str], scan: FileScan) -> None:
    if not record.raw.strip(b" \t\r\n"):
        scan.blank()
        return
    try:
        if record.fault is not None:
            raise record.fault
        row = check_row(_opened(_as_row(header, record.cells), scan.layout), scan.layout)
        if len(record.cells) != len(header):
            raise _miscounted(record, header)
    except RowFault as fault:
        if b"\r" in record.raw.rstrip(b"\r\n").replace(b"\r\n", b""):
            scan.warn(
                "cr_line_ends",
                "The record holds bare carriage returns; save the file with LF line ends.",
                record.line,
                record.raw,
            )
        scan.reject(record.line, fault, record.raw)
        return
    scan.accept(record.line, record.start, len(record.raw), record.raw, row)
    scan.remark(record.line, row, record.raw)


def _miscounted(record: Record, header: list[str]) -> RowFault:
    return RowFault(
        "schema_mismatch",
        f"The record has {len(record.cells)} cells where the header has {len(header)}; put text with delimiters or "
        "quotation marks into quotes.",
    )


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of one record. Raises `csv.Error`."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])


class _Records(Iterator[Record]):
    """The records of a stream, with their places. After a broken one, reading goes on with the very next line."""

    def __init__(self, stream: BinaryIO, start: int, delimiter: str | None) -> None:
        self._stream = stream
        self._offset = start
        self._line = 0
        self.delimiter = delimiter or self._guess(start)
        self._gathered: list[bytes] = []
        self._new_reader()

    def _guess(self, start: int) -> str:
        """A comma, unless the header has none but other usual delimiters."""
        header = self._stream.readline(1 << 16).decode("utf-8", "replace")
        self._stream.seek(start)
        return "," if "," in header else next((mark for mark in ";\t|" if mark in header), ",")

    def _new_reader(self) -> None:
        self._reader = csv.reader(self._texts(), delimiter=self.delimiter, strict=True)

    def _texts(self) -> Iterator[str]:
        """Lines as the reader asks for them, bytes that are no UTF-8 kept as marks of themselves."""
        gathered = 0
        while True:
            line = self._stream.readline(MAX_ROW_BYTES + 1)
            gathered = gathered + len(line) if self._gathered else len(line)
            if not line or gathered > MAX_ROW_BYTES:
                self._gathered.append(line)
                return
            self._gathered.append(line)
            yield line.decode("utf-8", "surrogateescape")

    def __next__(self) -> Record:
        self._gathered = []
        try:
            cells = next(self._reader)
        except StopIteration:
            if not any(self._gathered):
                raise
            return self._too_long()
        except csv.Error as error:
            return self._broken(error)
        record = Record(self._line + 1, self._offset, b"".join(self._gathered), cells)
        self._line += len(self._gathered)
        self._offset += len(record.raw)
        record.fault = _fault_of_bytes(record)
        return record

    def _broken(self, error: csv.Error) -> Record:
        """A record that is no CSV: only its first line is given up, what followed may be sound."""
        if sum(map(len, self._gathered)) > MAX_ROW_BYTES:
            return self._too_long()
        first = self._gathered[0]
        message = f"This is not valid CSV: {_said(error)}; put quotes around the whole cell and double those within it."
        record = Record(self._line + 1, self._offset, first, [], RowFault("schema_mismatch", message))
        record.fault = _fault_of_bytes(record) or record.fault
        self._go_on_behind(len(first))
        return record

    def _too_long(self) -> Record:
        first = self._gathered[0]
        fault = RowFault(
            "row_too_long", f"The record is longer than {MAX_ROW_BYTES // 2**20} MB; close its quotes."
        )
        record = Record(self._line + 1, self._offset, first[:4096], [], fault)
        length = len(first)
        while not first.endswith(b"\n"):
            self._stream.seek(self._offset + length)
            first = self._stream.readline(MAX_ROW_BYTES)
            if not first:
                break
            length += len(first)
        self._go_on_behind(length)
        return record

    def _go_on_behind(self, length: int) -> None:
        self._line += 1
        self._offset += length
        self._stream.seek(self._offset)
        self._new_reader()


def _said(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark is never closed"
    if "expected after" in text:
        return "text follows a closing quotation mark"
    if "new-line character" in text:
        return "a bare carriage return stands in a cell"
    return text


def _fault_of_bytes(record: Record) -> RowFault | None:
    """NUL bytes and bytes that are no UTF-8, anywhere in the record."""
    if b"\0" in record.raw or any(_ESCAPED_BYTE.search(cell) for cell in record.cells) or not record.cells:
        try:
            decode(record.raw)
        except RowFault as fault:
            return fault
    return None
