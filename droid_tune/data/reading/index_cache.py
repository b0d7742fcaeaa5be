"""Indexes of large files, kept between sessions, so that a gigabyte is validated once and not at every start.

An entry is of a whole data set under one set of options. It is used only while every file has the size, the times and
the inode that it had; a damaged entry, or one of another version, is as good as none. Layout of an entry: arrays of
int64 and lines of issues, then a footer in JSON that says where they lie, its length, checksums and a mark.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from droid_tune.data.formats.base import Layout
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.issues import FileFault, Issue, IssueLog, IssueRun
from droid_tune.data.reading.discover import Found
from droid_tune.data.reading.fingerprint import Fingerprint
from droid_tune.data.reading.rowfile import RowFile
from droid_tune.data.reading.scan import FileScan, Options, RowIndex
from droid_tune.data.reading.spill import Numbers, SpillArray
from droid_tune.data.report import FileReport, Report
from droid_tune.paths import cache_dir

VERSION = 3
#: smaller data sets are read again faster than they are looked up with care
LEAST_BYTES = 8_000_000
#: all entries together; the oldest go first
KEPT_BYTES = 2_000_000_000
#: a file that changed just now may change again within the same tick of the clock
SETTLED_NS = 2_000_000_000
_MARK = b"DTINDEX1"
_TAIL = struct.Struct("<QII8s")  # length and checksum of the footer, checksum of the body, the mark
_BLOCK = 1 << 20
_ARRAYS = ("starts", "lengths", "places")


@dataclass(frozen=True)
class KeptIndex:
    """What an entry gives back."""

    report: Report
    files: list[tuple[FileReport, RowFile]]
    prints: list[Fingerprint]


class StoredRun(IssueRun):
    """Issues that stand in an entry, read when they are asked for."""

    def __init__(self, path: Path, offset: int, length: int, count: int) -> None:
        super().__init__()
        self._stream = path.open("rb")
        weakref.finalize(self, self._stream.close)
        self._offset, self._length, self._count = offset, length, count

    def __iter__(self) -> Iterator[Issue]:
        rest, position, end = b"", self._offset, self._offset + self._length
        while position < end:
            block = os.pread(self._stream.fileno(), min(_BLOCK, end - position), position)
            position += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from (Issue.from_json(json.loads(line)) for line in lines)


def load(found: Found, options: Options) -> KeptIndex | None:
    """The entry of these files as they are now; None where there is none that can be trusted."""
    key = key_of(found, options)
    if key is None:
        return None
    path = _folder() / f"{key}.index"
    try:
        entry = _read(path, key, options)
    except (OSError, ValueError, KeyError, TypeError, FileFault):
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    os.utime(path)  # it was wanted just now: the last one to go
    return entry


def keep(
    found: Found,
    options: Options,
    key: str | None,
    report: Report,
    scans: Sequence[FileScan],
    prints: Sequence[Fingerprint],
) -> None:
    """Store what was found, unless the files changed since `key` was taken. A full disk costs only the entry."""
    plain = all(one.decode is None and one.stored_in is None and one.layout is not None for one in scans)
    if key is None or not plain or key != key_of(found, options):
        return
    folder = _folder()
    partial = folder / f".{key}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            _write(stream, key, report, scans, prints)
        partial.replace(folder / f"{key}.index")
        _prune(folder)
    except OSError:
        pass
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _folder() -> Path:
    return cache_dir() / "indexes"


def key_of(found: Found, options: Options) -> str | None:
    """The name of the entry, to be taken before the files are read; None where they are not to be kept."""
    stamps: list[Any] = []
    total, newest = 0, 0
    try:
        for one in found.files:
            status = one.path.stat()
            times = (status.st_mtime_ns, status.st_ctime_ns)
            stamps.append(
                [str(one.path.resolve()), str(one.path), one.split, status.st_size, *times, status.st_ino]
            )
            total, newest = total + status.st_size, max(newest, *times)
    except OSError:
        return None
    if found.fault is not None or total < LEAST_BYTES or time.time_ns() - newest < SETTLED_NS:
        return None
    what = [VERSION, stamps, options.method, sorted(options.mapping.items())]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


# --- writing --------------------------------------------------------------------------------------------------------


class _Body:
    """Counts and sums what is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size, self.checksum = 0, 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self.size += len(data)
        self.checksum = zlib.crc32(data, self.checksum)

    def numbers(self, array: SpillArray) -> list[int]:
        """`[offset, count]`; arrays come first, so that each begins at a multiple of 8."""
        place = [self.size, len(array)]
        for chunk in array.chunks():
            self.write(chunk.tobytes())
        return place


def _write(
    stream: IO[bytes], key: str, report: Report, scans: Sequence[FileScan], prints: Sequence[Fingerprint]
) -> None:
    body = _Body(stream)
    files: list[dict[str, Any]] = [
        {
            **scan.file.to_json(),
            "proposed": scan.file.proposed_mapping,
            "by_line": scan.by_line,
            **{name: body.numbers(getattr(scan.index, name)) for name in _ARRAYS},
        }
        for scan in scans
    ]
    start = body.size
    for issue in report.issues:
        body.write(json.dumps(issue.to_json()).encode() + b"\n")
    footer = json.dumps(
        {
            "version": VERSION,
            "key": key,
            "path": report.path,
            "files": files,
            "issues": [start, body.size - start, len(report.issues)],
            "prints": [one.to_json() for one in prints],
        }
    ).encode()
    stream.write(footer)
    stream.write(_TAIL.pack(len(footer), zlib.crc32(footer), body.checksum, _MARK))


def _prune(folder: Path) -> None:
    entries = sorted(folder.glob("*.index"), key=lambda one: one.stat().st_mtime, reverse=True)
    total = 0
    for place, one in enumerate(entries):
        total += one.stat().st_size
        if place and total > KEPT_BYTES:
            one.unlink(missing_ok=True)


# --- reading --------------------------------------------------------------------------------------------------------


def _read(path: Path, key: str, options: Options) -> KeptIndex:
    footer = _checked_footer(path)
    if footer["version"] != VERSION or footer["key"] != key:
        raise ValueError("an entry of something else")
    issues = IssueLog()
    issues.open_file().append(StoredRun(path, *footer["issues"]))
    report = Report(footer["path"], issues=issues)
    files: list[tuple[FileReport, RowFile]] = []
    for one in footer["files"]:
        layout = Layout(FORMATS_BY_NAME[one["format"]], dict(options.mapping), options.need)
        file = FileReport(
            one["path"], one["split"], one["format"], one["accepted"], one["rejected"], one["blank"]
        )
        file.layout, file.proposed_mapping, file.notes = layout, one["proposed"], one["notes"]
        report.files.append(file)
        index = RowIndex(*(_mapped(path, *one[name]) for name in _ARRAYS))
        files.append((file, RowFile(Path(one["path"]), index, layout, by_line=one["by_line"])))
    return KeptIndex(report, files, [Fingerprint.from_json(one) for one in footer["prints"]])


def _checked_footer(path: Path) -> dict[str, Any]:
    """Raises `ValueError` unless every byte is as it was written."""
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END) - _TAIL.size
        stream.seek(max(0, end))
        tail = stream.read(_TAIL.size)
        if len(tail) < _TAIL.size:
            raise ValueError("cut off")
        length, footer_sum, body_sum, mark = _TAIL.unpack(tail)
        if mark != _MARK or length > end:
            raise ValueError("no index")
        stream.seek(end - length)
        footer = stream.read(length)
        if zlib.crc32(footer) != footer_sum or _sum_of(stream, end - length) != body_sum:
            raise ValueError("damaged")
    loaded: dict[str, Any] = json.loads(footer)
    return loaded


def _sum_of(stream: IO[bytes], size: int) -> int:
    stream.seek(0)
    checksum, left = 0, size
    while left and (block := stream.read(min(_BLOCK, left))):
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    return checksum


def _mapped(path: Path, offset: int, count: int) -> SpillArray:
    numbers: Numbers = (
        np.memmap(path, dtype=np.int64, mode="r", offset=offset, shape=(count,))
        if count
        else np.empty(0, np.int64)
    )
    return SpillArray.over(numbers)
