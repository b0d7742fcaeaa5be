"""Lines of a file in large blocks: split at LF only, memory bounded whatever the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from droid_tune.data.reasons import MAX_ROW_BYTES

BLOCK_BYTES = 4 * 1024 * 1024
#: How much of a refused row is kept to show.
_SHOWN_BYTES = 4096


@dataclass
class Lines:
    """Consecutive lines without their LF; `raw` holds all of them, `start` is the offset of the first byte.

    With `too_long` it is the one row that was not read: its beginning, and `length` its whole length.
    """

    start: int
    raw: bytes
    too_long: bool = False
    length: int = 0


def blocks(stream: BinaryIO, start: int) -> Iterator[Lines]:
    """Blocks of whole lines from `start` (where the stream stands) to the end of the file."""
    carry = rest = b""
    while True:
        chunk, rest = rest or stream.read(BLOCK_BYTES), b""
        if not chunk:
            break
        cut = chunk.rfind(b"\n")
        if cut >= 0:
            whole = carry + chunk[:cut]
            yield from _bounded(whole, start)
            start += len(whole) + 1
            carry = chunk[cut + 1 :]
            continue
        carry += chunk
        if len(carry) > MAX_ROW_BYTES:
            skipped, rest = _skip(stream, carry, start)
            yield skipped
            start += skipped.length + 1
            carry = b""
    if carry:
        yield from _bounded(carry, start)


def _bounded(whole: bytes, start: int) -> Iterator[Lines]:
    """One block, unless its first line grew too long while it was gathered."""
    if len(whole) <= MAX_ROW_BYTES:
        yield Lines(start, whole)
        return
    first, mark, rest = whole.partition(b"\n")
    if len(first) > MAX_ROW_BYTES:
        yield Lines(start, first[:_SHOWN_BYTES], too_long=True, length=len(first))
        if mark:
            yield Lines(start + len(first) + 1, rest)
    else:
        yield Lines(start, whole)


def _skip(stream: BinaryIO, carry: bytes, start: int) -> tuple[Lines, bytes]:
    """Read over the rest of a row that is too long; `(the row, what follows it)`."""
    length = len(carry)
    while True:
        chunk = stream.read(BLOCK_BYTES)
        cut = chunk.find(b"\n")
        if not chunk or cut >= 0:
            length += max(cut, 0)
            return Lines(start, carry[:_SHOWN_BYTES], too_long=True, length=length), chunk[cut + 1 :]
        length += len(chunk)
