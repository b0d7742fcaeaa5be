"""One process trains a run: a lock that ends with the process, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from droid_tune.errors import UserError
from droid_tune.paths import HOME_VARIABLE
from droid_tune.runs.durable import disk_error

#: what systems answer where somebody else holds the lock
_HELD = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES))


class RunLock:
    """flock on the run's `lock` file, which holds the process id for people. A context manager.

    Not the library `filelock`: it cannot look whether a lock is held without taking it, so two windows that list the
    same runs would each see the other's look as a training.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise self._held(holder) if error.errno in _HELD else self._cannot_lock(error) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    def _held(self, holder: str) -> UserError:
        who = f" (process {holder})" if holder else ""
        return UserError(
            f"The run {self.path.parent.name} is being trained by another Droid Tune{who}; stop it there first."
        )

    def _cannot_lock(self, error: OSError) -> UserError:
        """Some network disks have no locks; without one two processes could train the same run."""
        return UserError(
            f"The disk cannot lock files ({error.strerror})",
            place=str(self.path.parent),
            remedy=f"keep runs on a disk of this computer: set {HOME_VARIABLE} to a folder there",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def is_locked(path: Path) -> bool:
    """Whether some process trains this run now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD  # a disk without locks: no run trains there
    finally:
        os.close(descriptor)
    return False
