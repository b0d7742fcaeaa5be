"""JSON Lines: one object per line. Fast where a row is plain and sound, exact where it is not.

A block of lines is parsed by orjson, which refuses all that strict JSON refuses but lets a repeated key pass; a count
of quotation marks finds those (see `_no_key_repeated`). Whatever is not surely right goes through `examine_line`, which is
slow, knows every rule and every place, and alone decides what is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import repeat
from operator import itemgetter
from typing import Any, BinaryIO

import numpy as np
import orjson

from droid_tune.data.formats.base import TEXT_KINDS, Layout, Row
from droid_tune.data.issues import RowFault
from droid_tune.data.layout import SAMPLE_ROWS
from droid_tune.data.reading.control_characters import BOM, may_hold_controls
from droid_tune.data.reading.duplicates import row_hash
from droid_tune.data.reading.examine import examine_line
from droid_tune.data.reading.files.lines import Lines, blocks
from droid_tune.data.reading.scan import FileScan
from droid_tune.data.reasons import LONG_ROW_BYTES, MAX_DEPTH, MAX_ROW_BYTES

#: Judges a block: the places of the lines that it cannot vouch for.
Judge = Callable[[list[bytes], list[Any]], list[int]]
#: A carriage return where a row ends and the next one, or nothing, follows.
_CARRIAGE_RETURN_ENDS = re.compile(rb"\}[ \t]*\r+[ \t]*\{")
#: Lines judged at once, a power of 8.
PIECE = 512


def scan_jsonl(stream: BinaryIO, start: int, size: int, scan: FileScan) -> None:
    """Scan all lines of a stream that stands at `start`. Raises `Stopped`."""
    line_number = 1
    for block in blocks(stream, start):
        scan.check_stop(block.start, size)
        if block.too_long:
            _reject_too_long(block, line_number, scan)
            line_number += 1
        else:
            line_number += _scan_block(block, line_number, scan)
    scan.check_stop(size, size)


def _reject_too_long(block: Lines, line_number: int, scan: FileScan) -> None:
    message = (
        f"The row is {block.length / 2**20:.0f} MB long, the limit is {MAX_ROW_BYTES // 2**20} MB; "
        "put one row on each line."
    )
    scan.reject(line_number, RowFault("row_too_long", message), block.raw)


def _scan_block(block: Lines, first_line: int, scan: FileScan) -> int:
    """Judge the lines of a block and report them; returns how many there were."""
    lines = block.raw.split(b"\n")
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    starts = block.start + np.cumsum(lengths + 1) - (lengths + 1)
    if b"\r" in block.raw:
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    rows = parse_many(lines)
    if not scan.detected:
        scan.detect([row for row in rows if isinstance(row, dict)][:SAMPLE_ROWS] or _slow_sample(lines))
    accepted = np.ones(len(lines), dtype=bool)
    for place in _to_examine(block.raw, lines, rows, scan.layout):
        accepted[place] = _examine(lines[place], first_line + place, rows, place, scan)
    _accept(rows, np.flatnonzero(accepted), starts, lengths, first_line, scan)
    return len(lines)


def parse_many(lines: Iterable[bytes]) -> list[Any]:
    """Each line's value, None for a line that orjson refuses."""
    rows: list[Any] = []
    waiting = iter(lines)
    while True:
        try:
            rows.extend(map(orjson.loads, waiting))
        except orjson.JSONDecodeError:
            rows.append(None)
        else:
            return rows


def _slow_sample(lines: list[bytes]) -> list[Row]:
    """What Python's parser makes of the first lines when orjson took none of them (all hold NaN, say)."""
    import json

    found: list[Row] = []
    for line in lines[:SAMPLE_ROWS]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _to_examine(raw: bytes, lines: list[bytes], rows: list[Any], layout: Layout | None) -> list[int]:
    """The places of all lines that need a closer look, for their faults or for what they should warn about."""
    if layout is None:
        return list(range(len(lines)))
    unsure = _judge_for(layout)(lines, rows)
    if may_hold_controls(raw):
        unsure = sorted({*unsure, *(place for place, line in enumerate(lines) if may_hold_controls(line))})
    if len(raw) > LONG_ROW_BYTES and max(map(len, lines)) > LONG_ROW_BYTES:
        unsure = sorted({*unsure, *(place for place, line in enumerate(lines) if len(line) > LONG_ROW_BYTES)})
    return unsure


def _judge_for(layout: Layout) -> Judge:
    """The quickest judge for a layout: for rows that are texts and nothing else, or for any row."""
    columns = [layout.columns(one) for one in layout.format.required]
    kinds = {one.kind for one in layout.format.required}
    if kinds <= TEXT_KINDS and all(len(names) == 1 and "." not in names[0] for names in columns):
        getters = [itemgetter(names[0]) for names in columns]
        return lambda lines, rows: _judge_texts(lines, rows, getters, layout)
    return lambda lines, rows: _judge_each(lines, rows, 0, layout)


def _judge_texts(
    lines: list[bytes],
    rows: list[Any],
    getters: list[itemgetter[str]],
    layout: Layout,
    start: int = 0,
    size: int = PIECE,
) -> list[int]:
    """Piece by piece: one of which every row is plainly right passes at once, another is cut into smaller ones."""
    if size == 1:
        return _judge_each(lines, rows, start, layout)
    unsure: list[int] = []
    for first in range(0, len(lines), size):
        some, parsed = lines[first : first + size], rows[first : first + size]
        if not _all_plain(some, parsed, getters):
            unsure += _judge_texts(some, parsed, getters, layout, start + first, size // 8)
    return unsure


def _all_plain(lines: list[bytes], rows: list[Any], getters: list[itemgetter[str]]) -> bool:
    """Whether every row has the texts asked for, none blank, and no other field; no key was repeated.

    N texts with their keys are 2N strings, 4N quotation marks: more would be a repeated key or an escaped mark.
    """
    try:
        for get in getters:
            # `str.strip` refuses what is no text.
            if not all(map(str.strip, map(get, rows))):
                return False
    except (TypeError, KeyError):
        return False
    marks = map(bytes.count, lines, repeat(b'"'))
    return set(map(len, rows)) == {len(getters)} and set(marks) == {4 * len(getters)}


def _judge_each(lines: list[bytes], rows: list[Any], start: int, layout: Layout) -> list[int]:
    return [start + i for i, line in enumerate(lines) if not vouch(line, rows[i], layout)]


def vouch(line: bytes, row: Any, layout: Layout) -> bool:
    """Whether a row parsed by orjson is surely right: no repeated key, not too deep, every field in order."""
    if not isinstance(row, dict) or line.count(b"[") + line.count(b"{") > MAX_DEPTH:
        return False
    if not _no_key_repeated(line, row):
        return False
    try:
        layout.check(row)
    except RowFault:
        return False
    return True


def _no_key_repeated(line: bytes, row: Row) -> bool:
    """Whether the bytes hold as many strings as the row.

    A repeated key leaves its text in the bytes without a counterpart in the row (and perhaps its value too, never the
    other way round), so both have equally many strings exactly when no key was repeated.
    """
    expected = 2 * _strings(row)
    if line.count(b'"') == expected:
        return True
    # In strict JSON a backslash stands only in front of an escape; what is left are the marks around strings.
    return b"\\" in line and line.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"') == expected


def _strings(value: Any) -> int:
    """How many strings, keys included, a value has."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        return len(value) + sum(map(_strings, value.values()))
    if isinstance(value, list):
        return sum(map(_strings, value))
    return 0


def _examine(line: bytes, number: int, rows: list[Any], place: int, scan: FileScan) -> bool:
    """Decide one line exactly; whether it is accepted."""
    if not line.strip(b" \t\r"):
        scan.blank()
        return False
    if not scan.detected:
        scan.detect(_slow_sample([line]))
    try:
        row = examine_line(line, scan.layout)
    except RowFault as fault:
        _warn_about_marks(line, number, scan)
        scan.reject(number, fault, line)
        return False
    # Python's numbers are exact where orjson's are rounded.
    rows[place] = row
    scan.remark(number, row, line, controls=may_hold_controls(line))
    return True


def _warn_about_marks(line: bytes, number: int, scan: FileScan) -> None:
    """What explains a rejected line: a byte order mark in front of it, or old Macintosh line ends within it."""
    if line.startswith(BOM.encode()):
        scan.warn(
            "bom_inside",
            "A byte order mark stands inside the file, perhaps where two were joined.",
            number,
            line,
        )
    if _CARRIAGE_RETURN_ENDS.search(line):
        scan.warn(
            "cr_line_ends",
            "The line holds bare carriage returns; save the file with LF line ends.",
            number,
            line,
        )


def _accept(rows: list[Any], kept: Any, starts: Any, lengths: Any, first_line: int, scan: FileScan) -> None:
    """Hand the accepted lines of a block over, all at once."""
    chosen = rows if len(kept) == len(rows) else [rows[i] for i in kept]
    hashes = np.fromiter(map(row_hash, chosen), np.int64, len(chosen))
    scan.accept_many(kept + first_line, starts[kept], lengths[kept], hashes, chosen)
