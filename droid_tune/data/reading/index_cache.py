"""Indexes of large files, kept between sessions, so that a gigabyte is validated once and not at every start.

An entry is of a whole data set under one set of options. It is used only while every file has the size, the times and
the inode that it had; a damaged entry, or one of another version, is as good as none. An entry is a folder (its files:
`kept_index`), which appears under its name when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from droid_tune.data.issues import FileFault
from droid_tune.data.reading.discover import Found
from droid_tune.data.reading.fingerprint import SETTLED_NS, Fingerprint
from droid_tune.data.reading.kept_index import KeptIndex, read_index, write_index
from droid_tune.data.reading.scan import FileScan, Options
from droid_tune.data.report import Report
from droid_tune.paths import cache_dir

VERSION = 8
#: smaller data sets are read again faster than they are looked up with care
LEAST_BYTES = 8_000_000
#: all entries together; the oldest go first
KEPT_BYTES = 2_000_000_000


def load(found: Found, options: Options) -> KeptIndex | None:
    """The entry of these files as they are now; None where there is none that can be trusted."""
    key = key_of(found, options)
    if key is None:
        return None
    entry = _folder() / key
    try:
        kept = read_index(entry, options)
        os.utime(entry)  # it was wanted just now: the last one to go
    except (OSError, ValueError, KeyError, TypeError, FileFault):
        shutil.rmtree(entry, ignore_errors=True)
        return None
    return kept


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
        partial.mkdir(parents=True)
        write_index(partial, report, scans, prints)
        partial.rename(folder / key)
        _prune(folder)
    except OSError:
        pass
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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


def _prune(folder: Path) -> None:
    """The newest entries that fit `KEPT_BYTES` together stay; entries of the form before this one go."""
    for old in folder.glob("*.index"):
        old.unlink(missing_ok=True)
    entries = [one for one in folder.iterdir() if not one.name.startswith(".")]
    total = 0
    for place, one in enumerate(sorted(entries, key=lambda one: one.stat().st_mtime, reverse=True)):
        total += sum(file.stat().st_size for file in one.iterdir())
        if place and total > KEPT_BYTES:
            shutil.rmtree(one, ignore_errors=True)
