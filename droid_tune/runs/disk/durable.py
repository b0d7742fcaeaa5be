"""Writing that survives a power cut: flush to the medium, then rename, then flush the folder."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import sys
from pathlib import Path

from droid_tune.errors import DiskError
from droid_tune.paths import private_file
from droid_tune.words import size


def sync_file(path: Path) -> None:
    """Return once the file's bytes are on the medium (F_FULLFSYNC on macOS, where fsync alone is not enough)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _full_sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Return once the folder's entries are on the medium."""
    sync_file(path)


def _full_sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):  # some network file systems know only fsync
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


#: what a person does again once a write can succeed, where no run was cut off by it
TRY_AGAIN = "try again"


def write_text(path: Path, text: str, then: str = "resume the run") -> None:
    """Replace a small file whole: a reader sees the old text or the new one, never a part; what killed processes left of it
    goes. Raises DiskError; `then` as there."""
    temporary = unfinished_name(path)
    clear_unfinished(path.parent, path.name)
    try:
        private_file(temporary)
        temporary.write_text(text, encoding="utf-8")
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:  # an interrupt, too, leaves nothing behind
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, path, then) from error
        raise


def unfinished_name(path: Path) -> Path:
    """Where this process writes a file until it is whole: beside its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def clear_unfinished(folder: Path, name: str = "*") -> None:
    """Remove what processes that were killed while they wrote (a file called `name`) left in a folder."""
    for path in folder.glob(".*.tmp" if name == "*" else f".{glob.escape(name)}.*.tmp"):
        writer = path.name.split(".")[-2]
        if writer.isdecimal() and not _lives(int(writer)):
            with contextlib.suppress(OSError):
                path.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def linked(source: str, target: str) -> str:
    """A second name for a file that nobody writes to; a copy where the disk has no second names. Raises OSError."""
    try:
        os.link(source, target)
        return target
    except OSError:
        return shutil.copyfile(source, target)


def sha256_of(path: Path) -> str:
    """The file's digest in hexadecimal, read block by block."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: MLX says only that a write failed; with less room than this the disk was full.
FULL_DISK_BYTES = 2**20


def cause_of(error: RuntimeError, folder: Path) -> OSError:
    """What the system would have said of a write that MLX reports as failed."""
    if shutil.disk_usage(folder).free < FULL_DISK_BYTES:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return OSError(errno.EIO, str(error))


def require_space(folder: Path, needed: int, what: str, then: str = "resume the run") -> None:
    """Look before a long write. Raises DiskError where `needed` bytes for `what` are more than the disk has free; `then`
    is what a person does once there is room."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskError(
            f"No space is left on the disk that holds {folder}: {what} takes {size(needed)}, and {size(free)} are free",
            remedy=f"free some and {then}",
        )


def disk_error(error: OSError, path: Path, then: str = "resume the run") -> DiskError:
    """The sentence for a write that failed; `then` is what a person does once it can succeed, "" where nothing has begun."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(
            f"No space is left on the disk that holds {path}", remedy=f"free some and {then or 'begin again'}"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        anew = f"make it writable (or choose another folder) and {then}"
        return DiskError(
            f"{path} cannot be written ({error.strerror})",
            remedy=anew if then else "choose a folder that you may write to",
        )
    return DiskError(f"Writing {path} failed: {error.strerror or error}.")
