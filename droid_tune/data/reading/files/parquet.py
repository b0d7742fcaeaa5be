"""Parquet, through arro3 (Rust's parquet reader, a fifth of pyarrow's size); imported when the first such file comes.

Rows are counted from 1. Columns have types here, so a number in a text field is no mistake of the row's: it is read
as its text, and said once per column. Accepted rows are kept as JSON in an unnamed temporary file for random access.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, cast

import orjson

from droid_tune.data.formats.base import TEXT_KINDS, Row
from droid_tune.data.issues import FileFault, RowFault
from droid_tune.data.layout import SAMPLE_ROWS
from droid_tune.data.reading.examine import check_row
from droid_tune.data.reading.files.parquet_values import values_of
from droid_tune.data.reading.scan import FileScan

_MAGIC = b"PAR1"
#: columns of a struct that are lists of turns' parts
_TURNS = ({"role", "content"}, {"from", "value"})
#: What the library says of a sound file with types that it does not know (Int128, intervals).
_UNKNOWN_TYPE = re.compile(r"not (?:yet )?(?:supported|implemented)", re.IGNORECASE)


def scan_parquet(stream: BinaryIO, start: int, size: int, scan: FileScan) -> None:
    """Scan a `.parquet` file. `stream` is the opened file, which is read again by its descriptor."""
    scan.by_line = False
    _check_frame(stream, size)
    stored = tempfile.TemporaryFile("w+b") if scan.options.keep_index else None  # noqa: SIM115
    scan.stored_in = stored
    offset = number = 0
    coerced: Counter[str] = Counter()
    for rows in _batches(stream):
        scan.check_stop(min(size, offset), size)
        scan.detect(rows[:SAMPLE_ROWS])
        for row in rows:
            number += 1
            offset += _judge(_coerced(row, scan, coerced), number, offset, stored, scan)
    _say_coerced(coerced, scan)
    if stored is not None:
        stored.flush()
    scan.check_stop(size, size)


def _check_frame(stream: BinaryIO, size: int) -> None:
    """The reader's complaints about a file that is no Parquet at all are crashes; look before it does."""
    stream.seek(0)
    head = stream.read(4)
    stream.seek(max(0, size - 8))
    tail = stream.read(8)
    length = int.from_bytes(tail[:4], "little")
    if size < 12 or head != _MAGIC or tail[4:] != _MAGIC or length > size - 12:
        raise FileFault("unreadable", "The file is not Parquet, or cut off; download or copy it again.")


def _batches(stream: BinaryIO) -> Iterator[list[Row]]:
    """Rows, a batch at a time. Raises `FileFault` for a damaged file, and for a column of a type that is not read."""
    from arro3.io import read_parquet

    with _plain_words(""):
        for batch in read_parquet(stream):
            names = [str(name) for name in batch.schema.names]
            columns: list[Sequence[Any]] = []
            for place, name in enumerate(names):
                with _plain_words(name):
                    columns.append(_as_turns(values_of(batch.column(place))))
            yield [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _as_turns(values: Sequence[Any]) -> Sequence[Any]:
    """A list of turns that is stored as a struct of lists, as the library `datasets` wrote `Sequence` until version 4."""
    first = next((value for value in values if value is not None), None)
    if not isinstance(first, dict) or not any(names <= first.keys() for names in _TURNS):
        return values
    return [_zipped(cast("dict[str, Any]", value)) for value in values]


def _zipped(value: dict[str, Any] | None) -> Any:
    lists = [] if value is None else [cell for cell in value.values() if isinstance(cell, list)]
    if value is None or len(lists) != len(value) or len({len(cast("list[Any]", one)) for one in lists}) != 1:
        return value
    return [dict(zip(value, cells, strict=True)) for cells in zip(*lists, strict=True)]


@contextmanager
def _plain_words(column: str) -> Generator[None]:
    """Turn the library's exceptions and panics into one sentence."""
    try:
        yield
    except FileFault:
        raise
    except (Exception, BaseException) as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if _UNKNOWN_TYPE.search(str(error)):
            which = f"The column `{column}`" if column else "A column"
            raise FileFault(
                "unsupported_file_type",
                f"{which} has a type that is not read here ({_brief(error)}); write it as text or as usual numbers.",
            ) from None
        raise FileFault(
            "unreadable", f"The Parquet file is damaged ({_brief(error)}); get it again."
        ) from None


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]


def _coerced(row: Row, scan: FileScan, coerced: Counter[str]) -> Row:
    """Typed values of text fields as text; a null in a field of the format is a field that is missing."""
    if scan.layout is None:
        return row
    for one in scan.layout.format.fields:
        for name in scan.layout.columns(one):
            value = row.get(name)
            if value is None:
                row.pop(name, None)
            elif isinstance(value, bytes) or (
                one.kind in TEXT_KINDS and not isinstance(value, str | list | dict)
            ):
                with suppress(UnicodeDecodeError):
                    row[name] = _text_of(value)
                    coerced[name] += 1
    return row


def _text_of(value: Any) -> str:
    """Text of a cell; of a column that only lacks the mark of text its own. Raises UnicodeDecodeError where it is none."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _say_coerced(coerced: Counter[str], scan: FileScan) -> None:
    for name, count in coerced.items():
        scan.say_of_file(
            "coerced_type", f"`{name}` is no text column; {count:,} values were read as their text.", name
        )


def _judge(row: Row, number: int, offset: int, stored: IO[bytes] | None, scan: FileScan) -> int:
    """Check and keep one row; returns how many bytes were stored for it."""
    raw = b""
    try:
        raw = _as_json(row)
        check_row(row, scan.layout)
    except RowFault as fault:
        fault.column = None
        scan.reject(number, fault, raw)
        return 0
    scan.accept(number, offset, len(raw), raw, row)
    scan.remark(number, row, raw)
    if stored is not None:
        stored.write(raw)
    return len(raw)


def _as_json(row: Row) -> bytes:
    """The row as it is kept. Raises `RowFault` where it holds what JSON cannot say."""
    try:
        return orjson.dumps(row, default=_as_text, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        try:  # whole numbers of more than 64 bits
            return json.dumps(row, default=_as_text, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise RowFault(
                "invalid_json", f"The row cannot be written as JSON ({error}); write such values as text."
            ) from None


def _as_text(value: Any) -> str:
    """Dates, decimals and bytes of other columns, as rewards may read them."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
