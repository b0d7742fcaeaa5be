"""Which reader scans which type of file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from droid_tune.data.issues import FileFault
from droid_tune.data.reading.files.delimited import scan_delimited
from droid_tune.data.reading.files.json_document import scan_json_document
from droid_tune.data.reading.files.jsonl import scan_jsonl
from droid_tune.data.reading.files.parquet import scan_parquet
from droid_tune.data.reading.scan import FileScan
from droid_tune.data.splits import suffix_of


class Scanner(Protocol):
    """Scans a stream that stands at `start`, after a byte order mark."""

    def __call__(self, stream: BinaryIO, start: int, size: int, scan: FileScan) -> None: ...


SCANNERS: dict[str, Scanner] = {
    ".jsonl": scan_jsonl,
    ".ndjson": scan_jsonl,
    ".json": scan_json_document,
    ".csv": scan_delimited,
    ".tsv": scan_delimited,
    ".parquet": scan_parquet,
}


def scanner_of(path: Path) -> Scanner:
    """The reader of a file by its name; raises `FileFault` for a type that we do not read."""
    scanner = SCANNERS.get(suffix_of(path))
    if scanner is None:
        raise FileFault(
            "unsupported_file_type",
            f"{path.name} is no data file that we read; use {', '.join(sorted(SCANNERS))} (or one of these as .gz).",
        )
    return scanner
