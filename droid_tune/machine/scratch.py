"""Folders for a while: each held by a lock while its owner lives, so that what a killed one left is known and removed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from droid_tune.errors import UserError

PREFIX = "droid-tune-scratch-"
#: a folder is called so until its lock is held
_COMING = "droid-tune-coming-"
_LOCK, _HOME = "owner", "home"
#: seconds after which a folder that nobody holds is no longer one that is being made
_STALE_S = 3600
#: what systems answer where somebody else holds a lock; anything else is a disk without locks
HELD_ELSEWHERE = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES))


class Scratch:
    """A new folder in `parent` (the folder for temporary files) with an empty one, `home`, in it, until `remove`."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep_once(parent)
        self.folder, self._lock = Path(tempfile.mkdtemp(prefix=_COMING, dir=parent)), -1
        try:
            self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            _held(
                self._lock
            )  # where the disk knows no locks the folder stays behind once its owner is killed
            name = PREFIX + self.folder.name.removeprefix(_COMING)
            self.folder = self.folder.rename(self.folder.with_name(name))
            self.home = self.folder / _HOME
            self.home.mkdir()
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it, as far as that goes."""
        _remove(self.folder)
        if self._lock >= 0:
            os.close(self._lock)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Generator[Path]:
    """An empty folder in `parent` (the folder for temporary files) that is removed in the end; where this process is killed,
    by the next one that wants one there."""
    made = Scratch(parent)
    try:
        yield made.home
    finally:
        made.remove()


@contextmanager
def claimed(folder: Path) -> Generator[None]:
    """`folder`, empty whatever a killed process left in it, and nobody else's; in the end it goes, unless it was moved.

    Raises UserError where somebody else writes there now, and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    claim = os.open(folder, os.O_RDONLY)
    try:
        if _is_claimed_elsewhere(claim) or not _is_there(claim, folder):
            raise UserError(
                "Another Droid Tune writes there at this moment",
                place=str(folder.parent),
                remedy="wait for it, or choose another folder",
            )
        try:
            _empty(folder)
            yield
        finally:
            if _is_there(claim, folder):
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(claim)


def _is_claimed_elsewhere(claim: int) -> bool:
    """Take an open folder's lock, or say that somebody has it; a disk without locks keeps nobody out."""
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in HELD_ELSEWHERE
    return False


def _is_there(opened: int, folder: Path) -> bool:
    """Whether an open folder still stands under its name."""
    try:
        return os.path.samestat(os.fstat(opened), folder.stat())
    except OSError:
        return False


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def sweep(parent: Path) -> None:
    """Remove the scratch folders of this user in `parent` whose owners are gone; what nobody ever held stays, unless it is
    empty or was never finished, and old."""
    for folder in [*parent.glob(f"{PREFIX}*"), *parent.glob(f"{_COMING}*")]:
        with suppress(OSError):
            _sweep(folder)


def _sweep(folder: Path) -> None:
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        return
    is_old = time.time() - status.st_mtime > _STALE_S
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        if is_old:
            folder.rmdir()  # raises where it is not empty
        return
    if (is_old or folder.name.startswith(PREFIX)) and _held(lock):
        _remove(folder)
    os.close(lock)


def _remove(folder: Path) -> None:
    """What it holds first: a removal that is cut off leaves a folder whose owner is known."""
    shutil.rmtree(folder / _HOME, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _held(lock: int) -> bool:
    """Take the lock of an open file, where nobody has it; it ends with the process, however that ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@cache
def _sweep_once(parent: Path) -> None:
    sweep(parent)
