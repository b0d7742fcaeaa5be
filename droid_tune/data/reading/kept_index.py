"""The files of a kept index: arrays in NumPy's own form, issues as lines of JSON, and checksums of them all.

`0-starts.npy`, `0-lengths.npy`, `0-places.npy` of the first file and so on are mapped into memory when they are read;
`issues.jsonl` has an issue a line; `entry.json` the rest; `sums.json` the CRC-32 of each of these.
"""

from __future__ import annotations

import json
import os
import weakref
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from droid_tune.data.formats.base import Layout
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.issues import Issue, IssueLog, IssueRun
from droid_tune.data.reading.fingerprint import Fingerprint
from droid_tune.data.reading.rowfile import RowFile
from droid_tune.data.reading.scan import FileScan, Options, RowIndex
from droid_tune.data.reading.spill import SpillArray
from droid_tune.data.report import FileReport, Report

_ARRAYS = ("starts", "lengths", "places")
_ENTRY, _ISSUES, _SUMS = "entry.json", "issues.jsonl", "sums.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class KeptIndex:
    """What an entry gives back."""

    report: Report
    files: list[tuple[FileReport, RowFile]]
    prints: list[Fingerprint]


class StoredRun(IssueRun):
    """Issues that stand in an entry, read when they are asked for, also after the entry was removed."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__()
        self._stream = path.open("rb")
        weakref.finalize(self, self._stream.close)
        self._length, self._count = path.stat().st_size, count

    def __iter__(self) -> Iterator[Issue]:
        rest, position = b"", 0
        while position < self._length:
            block = os.pread(self._stream.fileno(), _BLOCK, position)
            position += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from (Issue.from_json(json.loads(line)) for line in lines)


def write_index(
    folder: Path, report: Report, scans: Sequence[FileScan], prints: Sequence[Fingerprint]
) -> None:
    """Write an entry into an empty folder. Raises `OSError`."""
    for number, scan in enumerate(scans):
        for name in _ARRAYS:
            np.save(folder / f"{number}-{name}.npy", getattr(scan.index, name).view())
    with (folder / _ISSUES).open("wb") as stream:
        stream.writelines(json.dumps(issue.to_json()).encode() + b"\n" for issue in report.issues)
    entry = {
        "path": report.path,
        "files": [_file_entry(scan) for scan in scans],
        "issues": len(report.issues),
        "prints": [one.to_json() for one in prints],
    }
    (folder / _ENTRY).write_text(json.dumps(entry), encoding="utf-8")
    sums = {file.name: _sum_of(file) for file in sorted(folder.iterdir())}
    (folder / _SUMS).write_text(json.dumps(sums), encoding="utf-8")


def _file_entry(scan: FileScan) -> dict[str, Any]:
    return {**scan.file.to_json(), "proposed": scan.file.proposed_mapping, "by_line": scan.by_line}


def read_index(folder: Path, options: Options) -> KeptIndex:
    """The entry in a folder. Raises `ValueError` unless every byte is as it was written, `OSError`, `FileFault`."""
    _check(folder)
    entry = json.loads((folder / _ENTRY).read_bytes())
    issues = IssueLog()
    issues.open_file().append(StoredRun(folder / _ISSUES, entry["issues"]))
    report = Report(entry["path"], issues=issues)
    files: list[tuple[FileReport, RowFile]] = []
    for number, one in enumerate(entry["files"]):
        layout = Layout(FORMATS_BY_NAME[one["format"]], dict(options.mapping), options.need)
        file = FileReport(
            one["path"], one["split"], one["format"], one["accepted"], one["rejected"], one["blank"]
        )
        file.layout, file.proposed_mapping, file.notes = layout, one["proposed"], one["notes"]
        report.files.append(file)
        index = RowIndex(*(_mapped(folder / f"{number}-{name}.npy") for name in _ARRAYS))
        files.append((file, RowFile(Path(one["path"]), index, layout, by_line=one["by_line"])))
    return KeptIndex(report, files, [Fingerprint.from_json(one) for one in entry["prints"]])


def _check(folder: Path) -> None:
    sums = json.loads((folder / _SUMS).read_bytes())
    found = {file.name: _sum_of(file) for file in folder.iterdir() if file.name != _SUMS}
    if found != sums:
        raise ValueError("damaged")


def _sum_of(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _mapped(file: Path) -> SpillArray:
    return SpillArray.over(np.load(file, mmap_mode="r"))
