"""One process trains a run: a lock that ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from droid_tune.errors import UserError
from droid_tune.machine.scratch import HELD_ELSEWHERE
from droid_tune.runs.disk.durable import disk_error
from droid_tune.runs.disk.soft_lock import SoftLock

#: a look at a lock takes microseconds: who still finds one after so many tries gives up
_TRIES = 500


class RunLock:
    """flock on the run's `lock` file, which holds the process id for people. A context manager.

    On a disk without such locks a `SoftLock` serves, and `caution` says so.

    Not the library `filelock`: it cannot look whether a lock is held without taking it, so two windows that list the
    same runs would each see the other's look as a training.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.caution = ""
        self._descriptor = -1
        self._soft: SoftLock | None = None

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            _take_among_looks(descriptor)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            if error.errno in HELD_ELSEWHERE:
                os.close(descriptor)
                raise self._held(f"process {holder}" if holder else "") from error
            self._take_soft(descriptor, error)
        with contextlib.suppress(
            OSError
        ):  # the number is for people: a full disk that does not take it holds the lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    def _held(self, holder: str) -> UserError:
        who = f" ({holder})" if holder else ""
        return UserError(
            f"The run {self.path.parent.name} is being trained by another Droid Tune{who}; stop it there first."
        )

    def _take_soft(self, descriptor: int, why: OSError) -> None:
        """Some network disks have no locks; without one two processes could train the same run."""
        soft = SoftLock(self.path)
        try:
            taken = soft.take()
        except OSError as error:
            os.close(descriptor)
            raise disk_error(error, self.path) from error
        if not taken:
            os.close(descriptor)
            raise self._held(soft.holder()) from why
        self._soft = soft
        self.caution = (
            f"The disk of {self.path.parent} has no locks of the system's ({why.strerror}), so the run is kept from others "
            "by a file of its own"
        )

    def take_again(self) -> None:
        """Where the file is no longer the one that is held (its disk was gone). Raises UserError as the first time."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1
        if self._soft is not None:
            self._soft.release()
            self._soft = None
        self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:  # none where it could not be taken again
            with contextlib.suppress(
                OSError
            ):  # a child that is just being started holds a copy until it runs
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
        if self._soft is not None:
            self._soft.release()


def _take_among_looks(descriptor: int) -> None:
    """The lock for oneself. Raises OSError where another trains, or the disk has no locks.

    `is_locked` shares the lock while it looks: what can be shared is only looked at, and is tried again.
    """
    for attempt in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD_ELSEWHERE or attempt == _TRIES - 1:
                raise
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(random.uniform(0.0, 0.002))  # two that begin at once do not meet again
        else:
            return


def is_locked(path: Path) -> bool:
    """Whether some process trains this run now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in HELD_ELSEWHERE or SoftLock(path).is_held()
    finally:
        os.close(descriptor)
    return False
