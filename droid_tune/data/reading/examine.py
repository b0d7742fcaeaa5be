"""One row, examined exactly: from its bytes to a checked row, or the reason why not."""

from __future__ import annotations

from typing import Any

from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.issues import RowFault, listed
from droid_tune.data.layout import foreign_format
from droid_tune.data.reading.strict_json import column_of, parse


def decode(line: bytes) -> str:
    """The row's text; raises `RowFault` for NUL bytes and for anything but UTF-8."""
    nul = line.find(b"\0")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        if nul < 0 or error.start < nul:
            column = len(line[: error.start].decode("utf-8")) + 1
            raise RowFault(
                "invalid_encoding",
                f"The byte 0x{line[error.start]:02X} at {{place}} is not UTF-8; save the file as UTF-8.",
                column=column,
            ) from None
        text = line[:nul].decode("utf-8")
    if nul >= 0:
        raise RowFault(
            "nul_bytes",
            "A NUL byte stands at {place}; the file may be damaged or not be text: write it anew.",
            column=len(line[:nul].decode("utf-8")) + 1,
        )
    return text


def examine_line(line: bytes, layout: Layout | None) -> Row:
    """The row of one line of JSON. Raises `RowFault` with the column where there is one."""
    return examine_text(decode(line), layout)


def examine_text(text: str, layout: Layout | None) -> Row:
    """The row of a JSON text, checked against a layout."""
    value = parse(text)
    try:
        return check_row(value, layout)
    except RowFault as fault:
        if fault.column is None and fault.path is not None:
            fault.column = column_of(text, fault.path)
        raise


def check_row(value: Any, layout: Layout | None) -> Row:
    """A parsed value as a row of the file's format. Raises `RowFault`."""
    if not isinstance(value, dict):
        raise RowFault(
            "non_object", f"The row is {_said(value)}; each row must be a JSON object {{...}}.", column=1
        )
    row: Row = value
    if layout is None:
        names = listed([name[:40] for name in list(row)[:8]]) or "none"
        raise RowFault("unknown_schema", f"The fields of this row ({names}) fit no format; map them to ours.")
    if not layout.fits(row):
        other = foreign_format(row, layout)
        if other is not None:
            raise RowFault(
                "schema_mismatch",
                f"This is a row of {other.name}, but the file holds {layout.format.name}; put it into a file of its own.",
                foreign=True,
            )
    layout.check(row)
    return row


def _said(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a number"
