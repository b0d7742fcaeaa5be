"""Folders for a while: each held by a lock while its owner lives, so that what a killed one left is known and removed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from droid_tune.errors import UserError

PREFIX = "droid-tune-scratch-"
#: a folder is called so until its lock is held
_COMING = "droid-tune-coming-"
_LOCK = "owner"
#: what systems answer where somebody else holds a lock; anything else is a disk without locks
HELD_ELSEWHERE = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES))


class Scratch:
    """A new folder in `parent` (the folder for temporary files) with an empty one, `home`, in it, until `remove`."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep_once(parent)
        coming = Path(tempfile.mkdtemp(prefix=_COMING, dir=parent))
        self._lock = os.open(coming / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        _held(self._lock)  # where the disk knows no locks the folder stays behind once its owner is killed
        self.folder = coming.rename(coming.with_name(PREFIX + coming.name.removeprefix(_COMING)))
        self.home = self.folder / "home"
        self.home.mkdir()

    def remove(self) -> None:
        """Remove it with all that is in it, as far as that goes."""
        shutil.rmtree(self.folder, ignore_errors=True)
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
    """Remove the scratch folders of this user in `parent` whose owners are gone; what nobody ever held stays."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.getuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        if _held(lock):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


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
