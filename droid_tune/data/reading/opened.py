"""The data sets that are open now: what the window looked through is not read again for the estimate and the run."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from droid_tune.control import Watch
from droid_tune.data.issues import FileFault
from droid_tune.data.reading.fingerprint import SETTLED_NS, Fingerprint, fingerprint

_PATIENCE_SECONDS = 0.1


class Printed(Protocol):
    """Something made of files, each with the fingerprint that it had."""

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]: ...


T = TypeVar("T", bound=Printed)


@dataclass(frozen=True)
class _Kept(Generic[T]):
    value: T
    opened_ns: int

    def stands(self) -> bool:
        """Whether every file is the one that was opened: by size and times where they can be trusted, else by content."""
        return all(_is_same(one, self.opened_ns) for one in self.value.fingerprints)


class Opened(Generic[T]):
    """The `kept` values used last, by key. Safe to ask from several threads: one opens, the others wait for it."""

    def __init__(self, kept: int = 2) -> None:
        self._most = kept
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()
        self._busy: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T], watch: Watch) -> T:
        """What is open under `key`, else what `make` opens. Raises what `make` raises, and `Stopped` while it waits."""
        with self._guard:
            busy = self._busy.setdefault(key, threading.Lock())
        while not busy.acquire(timeout=_PATIENCE_SECONDS):
            watch.pause_point()
        try:
            found = self._standing(key)
            return found.value if found is not None else self._make(key, make)
        finally:
            busy.release()

    def _standing(self, key: Hashable) -> _Kept[T] | None:
        with self._guard:
            found = self._kept.get(key)
        return found if found is not None and found.stands() else None

    def _make(self, key: Hashable, make: Callable[[], T]) -> T:
        opened_ns = time.time_ns()
        value = make()
        with self._guard:
            self._kept.pop(key, None)
            self._kept[key] = _Kept(value, opened_ns)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return value


def _is_same(known: Fingerprint, opened_ns: int) -> bool:
    path = Path(known.path)
    try:
        status = path.stat()
        if status.st_size != known.size:
            return False
        settled = max(status.st_mtime_ns, status.st_ctime_ns) < opened_ns - SETTLED_NS
        if settled and status.st_mtime_ns == known.modified_ns:
            return True
        return fingerprint(path).sha256 == known.sha256
    except (OSError, FileFault):
        return False
