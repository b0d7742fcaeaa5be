"""A window over a stream of bytes that moves forward, knows lines and columns, and stays small."""

from __future__ import annotations

import re
from typing import BinaryIO

CHUNK_BYTES = 1 << 20
_SPACE = re.compile(rb"[ \t\r\n]*")
#: A string within one line (a missing mark then spoils one line only), a bracket, or a mark without its partner.
_TOKEN = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|["{}\[\]]')
_SCALAR = re.compile(rb'[^\s,\[\]{}"]+')
_PAIRS = {b"{": b"}", b"[": b"]"}


class Feed:
    """Bytes from `start` on. `offset` is the place in the file where reading goes on."""

    def __init__(self, stream: BinaryIO, start: int, line: int = 1, line_start: int | None = None) -> None:
        self._stream = stream
        self._buffer = b""
        self._base = start
        self._position = 0
        self._ended = False
        # The line on which `_counted` lies, and the offset at which that line begins.
        self._counted = start
        self._line = line
        self._line_start = start if line_start is None else line_start

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file before the next one to be taken."""
        return self._base + self._position

    def _fill(self) -> bool:
        """Read one more chunk behind what is there; False at the end of the file."""
        if self._ended:
            return False
        chunk = self._stream.read(CHUNK_BYTES)
        self._ended = not chunk
        self._count_lines(self.offset)
        self._buffer = self._buffer[self._position :] + chunk
        self._base += self._position
        self._position = 0
        return bool(chunk)

    def _count_lines(self, up_to: int) -> None:
        """Advance the line count to an offset that is still in the window."""
        piece = self._buffer[self._counted - self._base : up_to - self._base]
        breaks = piece.count(b"\n")
        if breaks:
            self._line += breaks
            self._line_start = self._counted + piece.rindex(b"\n") + 1
            # Columns are characters: keep the beginning of the line as text.
        self._counted = up_to

    def place_of(self, offset: int) -> tuple[int, int]:
        """`(line, column)` of an offset not before the last one asked for."""
        if offset > self._counted:
            self._count_lines(offset)
        begin = max(self._line_start, self._base)
        text = self._buffer[begin - self._base : offset - self._base].decode("utf-8", "replace")
        return self._line, len(text) + (begin - self._line_start) + 1

    def peek(self) -> bytes:
        """The next byte that is no white space, b"" at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._position)
            assert found is not None, "the pattern matches nothing as well"
            self._position = found.end()
            if self._position < len(self._buffer):
                return self._buffer[self._position : self._position + 1]
            if not self._fill():
                return b""

    def take(self, count: int) -> None:
        """Leaves the next `count` bytes behind."""
        self._position += count

    def step_back(self, offset: int) -> None:
        """Go back to where the value read last begins; the window still holds it."""
        self._position = offset - self._base

    def take_all(self, limit: int) -> bytes:
        """All the rest, at most about `limit` bytes."""
        while len(self._buffer) - self._position < limit and self._fill():
            pass
        rest = self._buffer[self._position :]
        self._position = len(self._buffer)
        return rest

    def near(self) -> bytes:
        """Up to 200 bytes from here on, as an excerpt for an issue."""
        return self._buffer[self._position : self._position + 200]

    def match(self, pattern: re.Pattern[bytes]) -> bytes | None:
        """What the pattern matches right here within the window; None also when the window may end too early."""
        found = pattern.match(self._buffer, self._position)
        if found is None:
            return None
        self._position = found.end()
        return found.group()

    def value(self, limit: int) -> tuple[bytes, bool]:
        """The JSON value that begins here, `(bytes, whether it is whole)`, and step behind it.

        It is whole when its brackets close in pairs, within `limit` bytes and before the end of the file. Otherwise
        the bytes go up to where that failed, and the place stays where it was.
        """
        walk = Brackets()
        seen = self._position
        while True:
            end, seen = walk.follow(self._buffer, seen, last=self._ended)
            if end is not None:
                raw = self._buffer[self._position : end]
                self._position = end
                return raw, True
            read = seen - self._position
            if walk.broken or read > limit or not self._fill():
                return self._buffer[self._position : self._position + max(read, 1)], False
            # The window begins at the value now.
            seen = self._position + read

    def find(self, pattern: re.Pattern[bytes]) -> bool:
        """Step forward to the next match of a short pattern, reading on as needed; False at the end of the file."""
        while True:
            found = pattern.search(self._buffer, self._position)
            if found is not None:
                self._position = found.start()
                return True
            # A match may begin with the last byte that is here.
            self._position = max(self._position, len(self._buffer) - 1)
            if not self._fill():
                self._position = len(self._buffer)
                return False


class Brackets:
    """Follows the brackets of one value through pieces of text, strings left out."""

    def __init__(self) -> None:
        self._open: list[bytes] = []
        self.broken = False

    def follow(self, buffer: bytes, start: int, *, last: bool) -> tuple[int | None, int]:
        """Go on at `start`: `(the end of the value, how far was read)`; no end when the text or the pairing ends."""
        if not self._open and buffer[start : start + 1] not in (b"{", b"[", b'"'):
            found = _SCALAR.match(buffer, start)
            end = found.end() if found else start + 1
            return (end if end < len(buffer) or last else None), start
        for found in _TOKEN.finditer(buffer, start):
            mark = found.group()
            if mark == b'"':
                # No end of the string on this line: either it is missing, or the window ends too early.
                if not last and buffer.find(b"\n", found.start()) < 0:
                    return None, found.start()
                if not self._open:
                    return found.end(), found.end()
            elif mark in _PAIRS:
                self._open.append(mark)
            elif mark in (b"}", b"]") and (not self._open or _PAIRS[self._open.pop()] != mark):
                self.broken = True
                return None, found.start()
            if not self._open:
                return found.end(), found.end()
            start = found.end()
        return None, start
