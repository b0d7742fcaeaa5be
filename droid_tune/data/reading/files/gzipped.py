"""gzip of any other type: unpacked once into an unnamed temporary file, within bounds, then read like the other."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from typing import IO, BinaryIO, cast

from droid_tune.data.issues import FileFault
from droid_tune.data.reading.scan import FileScan

MAGIC = b"\x1f\x8b"
#: Text shrinks to a tenth or so; what grows a hundredfold beyond this size is a bomb or no training data.
_GROWTH = 100
_ALWAYS_FINE_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1 << 20
#: Left free on the disk for everything else.
_RESERVE_BYTES = 1 << 30


def unpack(stream: BinaryIO, size: int, scan: FileScan) -> BinaryIO:
    """The content of a gzip stream as a file. Raises `FileFault` when it is cut off, damaged or unsafe."""
    target = cast("BinaryIO", tempfile.TemporaryFile("w+b"))  # noqa: SIM115  (returned)
    try:
        _copy(stream, size, target, scan)
    except BaseException as error:
        target.close()
        if isinstance(error, EOFError):
            raise FileFault("unreadable", "The archive is cut off; download or copy it again.") from None
        if isinstance(error, gzip.BadGzipFile | zlib.error):
            raise FileFault("unreadable", "The archive is damaged; download or copy it again.") from None
        raise
    target.seek(0)
    return target


def _copy(stream: BinaryIO, size: int, target: IO[bytes], scan: FileScan) -> None:
    allowed = max(_ALWAYS_FINE_BYTES, _GROWTH * size)
    free = shutil.disk_usage(tempfile.gettempdir()).free - _RESERVE_BYTES
    written = 0
    with gzip.GzipFile(fileobj=stream) as archive:
        while chunk := archive.read(_CHUNK_BYTES):
            scan.check_stop(stream.tell(), 2 * size)
            written += len(chunk)
            if written > allowed:
                raise FileFault(
                    "unsafe_archive",
                    f"The archive grows to more than {_GROWTH} times its size; unpack it yourself if you trust it.",
                )
            if written > free:
                raise FileFault(
                    "unsafe_archive", "The archive does not fit on the disk unpacked; make room for it."
                )
            target.write(chunk)
