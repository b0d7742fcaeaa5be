"""JSON documents: an array of rows, or `{"prompts": [...]}`; read an element at a time, whatever the document's size.

The end of each element is found by its brackets before it is parsed, so that a broken element costs itself only. An
element is a physical row, counted from 1; what is wrong with the document around the elements (a comma too many, an
array that is never closed) is said as one more rejected row at that place.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson

from droid_tune import words
from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.formats.table import FORMATS
from droid_tune.data.issues import RowFault, excerpt_of
from droid_tune.data.layout import SAMPLE_ROWS
from droid_tune.data.reading.control_characters import may_hold_controls
from droid_tune.data.reading.examine import check_row, decode, examine_text
from droid_tune.data.reading.files.feed import Feed
from droid_tune.data.reading.files.jsonl import parse_many, scan_jsonl, vouch
from droid_tune.data.reading.scan import FileScan
from droid_tune.data.reading.strict_json import parse
from droid_tune.data.reasons import LONG_ROW_BYTES, MAX_ROW_BYTES

_STRING = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
#: A whole object without others inside, the usual row, in one step.
_FLAT = re.compile(rb'\{[^{}\[\]"]*+(?:' + _STRING + rb'[^{}\[\]"]*+)*+\}')
_OBJECT = re.compile(rb'\{\s*"')
_PROMPTS = re.compile(rb'\s*\{\s*"prompts"\s*:\s*\[')
_SPACE = b" \t\r\n"
_COUNT_EVERY = 2000
_SAMPLE_BYTES = 4 * 1024 * 1024


def scan_json_document(stream: BinaryIO, start: int, size: int, scan: FileScan) -> None:
    """Scan a `.json` file by what it holds: an array, an object of prompts, or in truth JSON Lines."""
    head = stream.read(1 << 16)
    stream.seek(start)
    prompts = _PROMPTS.match(head)
    if prompts:
        _Document(stream, start, size, scan, bare_prompts=True).read_array(start + prompts.end(), b"}")
    elif head.lstrip(_SPACE).startswith(b"["):
        _Document(stream, start, size, scan).read_array(start + head.index(b"[") + 1, b"")
    elif _is_one_object(head):
        _Document(stream, start, size, scan).read_values()
    else:
        scan_jsonl(stream, start, size, scan)


def _is_one_object(head: bytes) -> bool:
    """An object written over several lines, rather than one object per line."""
    text = head.lstrip(_SPACE)
    if not text.startswith(b"{"):
        return False
    first, mark, _ = text.partition(b"\n")
    if not mark:
        return False
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return not first.rstrip(_SPACE).endswith(b"}")
    return False


class _Document:
    """A document being read: elements one after the other, each handed to the scan."""

    def __init__(
        self, stream: BinaryIO, start: int, size: int, scan: FileScan, *, bare_prompts: bool = False
    ) -> None:
        self.feed = Feed(stream, start)
        self._stream, self._start = stream, start
        self.size = size
        self.scan = scan
        self.count = 0
        # Whether bare texts are prompts, and whether the next element lies inside a broken one (no comma needed).
        self._bare_prompts = bare_prompts
        self._resumed = False
        # Whether a row was never closed and nothing whole came after it: then the end of the array is lost too.
        self._gave_up = False
        # Where reading went on after a row that is never closed, and how many rows were taken there.
        self._resumed_at = -1
        self._after_break = 0
        scan.by_line = False
        if bare_prompts:
            scan.decode = bare_prompt_row

    # -- the document ------------------------------------------------------------------------------

    def read_array(self, first: int, closing: bytes) -> None:
        """Elements from the offset `first` on, up to `]` and then `closing`."""
        self._detect_from(first)
        expects_value = True
        while True:
            self._tick()
            mark = self.feed.peek()
            if mark == b"":
                if not self._gave_up:
                    self._fault("the array is never closed; the file may be cut off, add ]")
                break
            if mark == b"]":
                if expects_value and self.count:
                    self._fault("a comma stands before the ] that closes the array; remove it")
                self.feed.take(1)
                self._read_rest(closing)
                break
            if mark == b",":
                if expects_value:
                    self._fault("a row is missing in front of this comma; remove the comma")
                self.feed.take(1)
                expects_value = True
                continue
            self._read_element(comma_missing=not expects_value and not self._resumed)
            expects_value = False
        self._settle()

    def read_values(self) -> None:
        """Values without an array around them."""
        self._detect_from(self._start)
        while self.feed.peek() != b"":
            self._tick()
            self._read_element(comma_missing=False)
        self._settle()

    def _read_rest(self, closing: bytes) -> None:
        """After the array: only what closes the document may follow."""
        if closing and self.feed.peek() == b",":
            rest = self.feed.take_all(MAX_ROW_BYTES)
            try:
                orjson.loads(b"{" + rest.strip(_SPACE)[1:])
            except orjson.JSONDecodeError:
                self._fault("the text after the array of prompts is not JSON; correct it")
            return
        if closing:
            if self.feed.peek() != closing:
                self._fault(f"the object around the array is never closed; add {closing.decode()}")
                return
            self.feed.take(1)
        if self.feed.peek() != b"":
            self._fault("there is text after the end of the document; remove it")

    # -- one element -------------------------------------------------------------------------------

    def _read_element(self, *, comma_missing: bool) -> None:
        offset = self.feed.offset
        self._resumed = False
        line, column = self.feed.place_of(offset)
        self.count += 1
        raw = self.feed.match(_FLAT)
        closed = raw is not None
        if raw is None:
            raw, closed = self.feed.value(MAX_ROW_BYTES)
        if not closed:
            self._judge_unclosed(raw, line, column)
        elif comma_missing:
            message = "This is not valid JSON: a comma is missing at {place}; add it before this row."
            self._reject(RowFault("invalid_json", message, column=1), raw, line, column)
        else:
            self._judge(offset, raw, line, column)

    def _judge(self, offset: int, raw: bytes, line: int, column: int) -> None:
        """Accept or reject one whole element."""
        if not self.scan.detected:
            # None of the first elements was whole; this one is.
            self.scan.detect([self._row_of(value) for value in parse_many([raw])])
        row = self._surely_right(raw)
        certain = row is not None
        if row is None:
            try:
                row = self._examined(raw)
            except RowFault as fault:
                self._reject(fault, raw, line, column)
                return
        self._after_break += self._resumed_at == offset
        self.scan.accept(self.count, offset, len(raw), raw, row)
        if not certain or len(raw) > LONG_ROW_BYTES or may_hold_controls(raw):
            self.scan.remark(self.count, row, raw)

    def _surely_right(self, raw: bytes) -> Row | None:
        if self.scan.layout is None:
            return None
        try:
            row = self._row_of(orjson.loads(raw))
        except orjson.JSONDecodeError:
            return None
        return row if vouch(raw, row, self.scan.layout) else None

    def _examined(self, raw: bytes) -> Row:
        text = decode(raw)
        if self._bare_prompts and text.startswith('"'):
            return check_row(self._row_of(parse(text)), self.scan.layout)
        return examine_text(text, self.scan.layout)

    def _row_of(self, value: Any) -> Any:
        return bare_prompt(value) if self._bare_prompts else value

    def _judge_unclosed(self, raw: bytes, line: int, column: int) -> None:
        """An element whose brackets do not close: it is rejected, and reading goes on at the next whole row."""
        try:
            parse(decode(raw))
            fault = RowFault(
                "invalid_json", "This is not valid JSON: the row is never closed; close its brackets."
            )
        except RowFault as found:
            fault = found
        if len(raw) > MAX_ROW_BYTES:
            said = f"The row is longer than the limit of {MAX_ROW_BYTES // 2**20} MB; cut it, or close its brackets."
            fault, raw = RowFault("row_too_long", said), raw[:4096]
        self._reject(fault, raw, line, column)
        self._resume()

    def _resume(self) -> None:
        """Go on at the next object that is a whole row by itself, inside the broken element or behind it."""
        self.feed.take(1)
        while self.feed.find(_OBJECT):
            self._tick()
            start = self.feed.offset
            raw, whole = self.feed.value(MAX_ROW_BYTES)
            if whole and self._is_row(raw):
                self.feed.step_back(start)
                self._resumed = True
                self._resumed_at = start
                return
            if whole:
                self.feed.step_back(start)
            self.feed.take(1)
        self._gave_up = True

    def _is_row(self, raw: bytes) -> bool:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return False
        layout = self.scan.layout
        if layout is not None:
            return layout.fits(value)
        return any(Layout(one).fits(value) for one in FORMATS)

    def _detect_from(self, first: int) -> None:
        """Settle the layout from the first whole elements, then begin anew."""
        self._stream.seek(first)
        feed = Feed(self._stream, first)
        sample: list[Any] = []
        while len(sample) < SAMPLE_ROWS and feed.offset - first < _SAMPLE_BYTES:
            mark = feed.peek()
            if mark in (b"", b"]"):
                break
            if mark == b",":
                feed.take(1)
                continue
            raw, whole = feed.value(MAX_ROW_BYTES)
            feed.take(0 if whole else len(raw))
            with suppress(orjson.JSONDecodeError):
                sample.append(self._row_of(orjson.loads(raw)))
        self.scan.detect(sample)
        self._stream.seek(first)
        self.feed = Feed(self._stream, first, *self._place_of(first))

    def _place_of(self, first: int) -> tuple[int, int]:
        """`(line, offset at which it begins)` of an offset near the start of the file."""
        self._stream.seek(self._start)
        head = self._stream.read(first - self._start)
        self._stream.seek(first)
        return 1 + head.count(b"\n"), self._start + head.rfind(b"\n") + 1

    # -- what is said ------------------------------------------------------------------------------

    def _reject(self, fault: RowFault, raw: bytes, line: int, column: int) -> None:
        said = None
        if fault.column is not None:
            before = raw.decode("utf-8", "replace")[: fault.column - 1]
            line += before.count("\n")
            absolute = len(before) - before.rfind("\n") if "\n" in before else column + len(before)
            said = f"line {line}, column {absolute}"
            shown = fault.column
            fault.column = absolute
            raw = excerpt_of(raw, shown).encode()
        self.scan.reject(self.count, fault, raw, said_place=said)

    def _fault(self, saying: str) -> None:
        """Something is wrong between the elements: one more rejected row at this place."""
        self.count += 1
        line, column = self.feed.place_of(self.feed.offset)
        head, _, remedy = saying.partition("; ")
        fault = RowFault(
            "invalid_json", f"This is not valid JSON: {head} at {{place}}; {remedy}.", column=column
        )
        self.scan.reject(self.count, fault, self.feed.near(), said_place=f"line {line}, column {column}")

    def _tick(self) -> None:
        if self.count % _COUNT_EVERY == 0:
            self.scan.check_stop(self.feed.offset, self.size)

    def _settle(self) -> None:
        if self._after_break:
            rows = words.count(self._after_break, "row")
            self.scan.file.notes.append(
                f"{rows} came from inside or behind a row that is never closed; see whether they are rows of their own."
            )
        self.scan.check_stop(self.size, self.size)


def bare_prompt(value: Any) -> Any:
    """An element of `{"prompts": [...]}` as a row: a bare text is a prompt."""
    return {"prompt": value} if isinstance(value, str) else value


def bare_prompt_row(raw: bytes) -> Row:
    """An element of `{"prompts": [...]}`, from its bytes, as a row."""
    return cast("Row", bare_prompt(json.loads(raw)))
