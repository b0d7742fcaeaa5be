"""Opening what a user names: regular files only, at once or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from droid_tune.data.issues import FileFault

_UTF8_BOM = b"\xef\xbb\xbf"
_FOREIGN_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading bytes; raises `FileFault` for anything else, without ever waiting for it."""
    try:
        # Without O_NONBLOCK a named pipe that nobody writes to would hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        raise _fault(path, error) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((said for test, said in _KINDS if test(mode)), "no file")
            raise FileFault("not_a_regular_file", f"{path.name} is {kind}, not a file; choose a data file.")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _fault(path: Path, error: OSError) -> FileFault:
    if error.errno == errno.ELOOP:
        return FileFault(
            "not_a_regular_file", f"{path.name} is a link that leads back to itself; remove the link."
        )
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):
        return FileFault(
            "not_a_regular_file", f"{path.name} is a socket or device, not a file; choose a data file."
        )
    if error.errno == errno.ENOENT:
        said = "is a link to a file that is gone" if path.is_symlink() else "does not exist"
        return FileFault("unreadable", f"{path.name} {said}; check the path.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return FileFault("unreadable", f"{path.name} may not be read; give yourself the right to read it.")
    return FileFault(
        "unreadable", f"{path.name} cannot be read ({os.strerror(error.errno or 0)}); check the disk."
    )


def skip_mark(stream: BinaryIO, name: str) -> int:
    """Refuse encodings other than UTF-8 and step over a UTF-8 byte order mark; returns where the text begins."""
    head = stream.read(4096)
    if not head or head == _UTF8_BOM:
        raise FileFault("empty_file", f"{name} is empty; add rows to it.")
    for mark, encoding in _FOREIGN_MARKS:
        if head.startswith(mark):
            raise FileFault("unsupported_encoding", f"{name} is {encoding} text; save it as UTF-8.")
    if _looks_like_utf16(head):
        raise FileFault("unsupported_encoding", f"{name} seems to be UTF-16 text; save it as UTF-8.")
    start = len(_UTF8_BOM) if head.startswith(_UTF8_BOM) else 0
    stream.seek(start)
    return start


def _looks_like_utf16(head: bytes) -> bool:
    """Every other byte is NUL in UTF-16 text of Latin letters."""
    if len(head) < 4:
        return False
    even, odd = head[0::2].count(0) / len(head[0::2]), head[1::2].count(0) / len(head[1::2])
    return max(even, odd) > 0.7 and min(even, odd) < 0.3
