"""The raw text around a place of a file, for showing what is wrong there; nothing in it is repaired."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from droid_tune.data.issues import FileFault
from droid_tune.data.reading.files.gzipped import MAGIC
from droid_tune.data.reading.opening import open_regular
from droid_tune.errors import UserError

_BLOCK = 1 << 20
#: Bytes read of one line: a line of a gigabyte is not for the eye.
LONGEST_LINE = 1 << 16


@dataclass(frozen=True)
class RawLine:
    """One physical line, its number from 1; `cut` where only its beginning is here."""

    number: int
    text: str
    cut: bool = False


def lines_around(path: Path, line: int, context: int = 2) -> list[RawLine]:
    """Line `line` and up to `context` lines before and after it. Raises `UserError` when the file cannot be read."""
    try:
        with open_regular(path) as stream:
            packed = stream.read(2) == MAGIC[:2]
            stream.seek(0)
            text = cast("BinaryIO", gzip.open(stream)) if packed else stream  # noqa: SIM115
            return list(_read(text, max(1, line - context), line + context))
    except FileFault as fault:
        raise UserError(fault.message, place=str(path)) from None
    except (OSError, EOFError) as error:
        raise UserError(f"The file cannot be read ({error})", place=str(path)) from None


def _read(stream: BinaryIO, first: int, last: int) -> Iterator[RawLine]:
    offset = _offset_of(stream, first)
    if offset is None:
        return
    stream.seek(offset)
    for number in range(first, last + 1):
        raw = stream.readline(LONGEST_LINE)
        if not raw:
            return
        cut = not raw.endswith(b"\n")
        yield RawLine(number, _shown(raw), cut and len(raw) == LONGEST_LINE)
        if cut and not _skip_rest(stream):
            return


def _offset_of(stream: BinaryIO, line: int) -> int | None:
    """The byte at which a line begins, None when the file has fewer."""
    offset, wanted = 0, line - 1
    while wanted:
        block = stream.read(_BLOCK)
        if not block:
            return None
        ends = block.count(b"\n")
        if ends < wanted:
            wanted -= ends
            offset += len(block)
            continue
        place = -1
        for _ in range(wanted):
            place = block.index(b"\n", place + 1)
        return offset + place + 1
    return offset


def _skip_rest(stream: BinaryIO) -> bool:
    """Step over what is left of a long line; False at the end of the file."""
    while raw := stream.readline(_BLOCK):
        if raw.endswith(b"\n"):
            return True
    return False


def _shown(raw: bytes) -> str:
    """Bytes that are no UTF-8 show as \\xNN."""
    return raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
