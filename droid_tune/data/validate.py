"""Validation of a data set: every row of every file accounted for, every fault with its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.issues import FileFault, Issue
from droid_tune.data.layout import check_mapping
from droid_tune.data.reading.discover import Found, discover, given, twins
from droid_tune.data.reading.duplicates import shared
from droid_tune.data.reading.files.gzipped import MAGIC, unpack
from droid_tune.data.reading.files.table import Scanner, scanner_of
from droid_tune.data.reading.opening import open_regular, skip_mark
from droid_tune.data.reading.parting import parted
from droid_tune.data.reading.scan import FileScan, Options
from droid_tune.data.report import FileReport, Report
from droid_tune.data.splits import BINARY_SUFFIXES, DataFile, Split, suffix_of


def validate(
    path: str | Path,
    method: str | None = None,
    mapping: Mapping[str, str] | None = None,
    watch: Watch = UNWATCHED,
    *,
    files: Mapping[Split, Sequence[str | Path]] | None = None,
) -> Report:
    """Check a file or folder (or `files` by their split in its place), for a method or for any.

    `watch` is told (bytes done, bytes in the file, file) a few times a second or oftener.
    Whatever is wrong with the data is in the report. Raises `Stopped` when asked to stop, `UsageError` for a
    mapping of a field that no format has.
    """
    options = Options(method, dict(mapping or {}), watch)
    report, _scans = scan_files(Path(path), given(files) if files else discover(Path(path), watch), options)
    return report


def scan_files(path: Path, found: Found, options: Options) -> tuple[Report, list[FileScan]]:
    """The report on the files, and per file what indexes its rows."""
    check_mapping(options.mapping)
    report = Report(str(path))
    if len({one.split for one in found.files}) > 1:
        options = _with_prompts(options)
    scans = parted([_scan_file(one, options, report) for one in found.files], report.issues)
    report.files += [scan.file for scan in scans]
    if found.fault is not None:
        report.files.append(FileReport(str(path), "train", error=found.fault))
    said = twins(found.files)
    for file in report.files:
        file.notes += [said[Path(file.path)]] if Path(file.path) in said else []
    _say_mixed_files(scans)
    _say_overlap(scans)
    return report, scans


def _with_prompts(options: Options) -> Options:
    return replace(options, keep_prompts=True)


def _scan_file(one: DataFile, options: Options, report: Report) -> FileScan:
    """The file's rows."""
    file = FileReport(str(one.path), one.split)
    scan = FileScan(file, options, report.issues)
    try:
        with open_regular(one.path) as stream:
            scan_stream(stream, one.path, scan)
        scan.finish()
    except FileFault as fault:
        file.error = fault
    except OSError as error:
        file.error = FileFault(
            "unreadable", f"{one.path.name} cannot be read ({error.strerror}); check the disk."
        )
    return scan


def scan_stream(stream: BinaryIO, path: Path, scan: FileScan) -> None:
    """Scan an opened file by its type. Raises `FileFault`, `Stopped`."""
    size = os.fstat(stream.fileno()).st_size
    scanner = scanner_of(path)
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(MAGIC):
        unpacked = unpack(stream, size, scan)
        try:
            _scan_plain(unpacked, path, scanner, scan)
        finally:
            scan.keep_stored(unpacked)
        return
    if magic.startswith(b"PK\x03\x04"):
        raise FileFault(
            "unsupported_file_type", f"{path.name} is a zip archive; unpack it and choose the file in it."
        )
    if path.name.lower().endswith(".gz") and magic:
        raise FileFault("unsupported_file_type", f"{path.name} is no gzip archive; give it its true name.")
    _scan_plain(stream, path, scanner, scan)


def _scan_plain(stream: BinaryIO, path: Path, scanner: Scanner, scan: FileScan) -> None:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = 0 if suffix_of(path) in BINARY_SUFFIXES and size else skip_mark(stream, path.name)
    scanner(stream, start, size, scan)


def _say_mixed_files(scans: list[FileScan]) -> None:
    """Files of one data set should have one format: a validation of other rows measures something else."""
    known = [scan for scan in scans if scan.file.format is not None]
    for scan in known[1:]:
        if scan.file.format != known[0].file.format:
            first = Path(known[0].file.path).name
            message = f"The rows are {scan.file.format}, those of {first} are {known[0].file.format}; use one format."
            run = scan.add_run()
            run.append(Issue(scan.file.path, None, None, None, None, "mixed_schema", "warning", message, ""))


def _say_overlap(scans: list[FileScan]) -> None:
    """Warn about rows of valid and test whose prompt is in train as well: they measure memory, not ability."""
    train = [scan for scan in scans if scan.file.split == "train"]
    for held_out in (scan for scan in scans if scan.file.split != "train"):
        for source in train:
            run = held_out.add_run()
            for place, other in shared(held_out.prompts, source.prompts):
                _say_shared(held_out, place, source, other, run.append)


def _say_shared(
    held_out: FileScan, place: int, source: FileScan, other: int, append: Callable[[Issue], None]
) -> None:
    word = "line" if source.by_line else "row"
    message = (
        f"The prompt is also in {Path(source.file.path).name}, {word} {source.index.places[other]}; "
        "remove it from one of them."
    )
    number = held_out.index.places[place]
    line, index = (number, None) if held_out.by_line else (None, number)
    append(Issue(held_out.file.path, line, index, None, None, "train_valid_overlap", "warning", message, ""))
