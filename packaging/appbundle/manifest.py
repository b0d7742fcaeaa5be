"""The finished bundle: equal permissions and times, a list of every file with its sha256, and the zip file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

# 1 January 2024, 00:00 UTC. Build times follow it within 389 days; zip's calendar counts in steps of two seconds.
FIRST_TIME = 1_704_067_200
STEP = 2
STEPS = 2**24


def settle(root: Path) -> None:
    """Gives every file one of two permissions, and everything one time that follows from the contents.

    The same build has the same time on every machine, and another build has another one: Python's byte code cache,
    which lies outside the bundle and goes by a source's time and size, never takes one build's modules for another's.
    """
    when = build_time(str(manifest(root)["digest"]))
    for path in [root, *entries(root)]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        os.utime(path, (when, when), follow_symlinks=False)


def build_time(digest: str) -> int:
    """Seconds since 1970 for the build with this digest (hexadecimal)."""
    return FIRST_TIME + STEP * (int(digest, 16) % STEPS)


def entries(root: Path) -> Iterator[Path]:
    """Everything below `root`, links not followed, in the order of the names' bytes."""
    for path in sorted(root.iterdir(), key=lambda path: os.fsencode(path.name)):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from entries(path)


def manifest(root: Path) -> dict[str, object]:
    """Every file's size and sha256, every link's target, and one digest over all of them."""
    files: dict[str, dict[str, object]] = {}
    links: dict[str, str] = {}
    for path in entries(root):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_file():
            files[name] = {"sha256": file_digest(path), "size": path.stat().st_size}
    total = json.dumps([files, links], sort_keys=True).encode()
    return {"digest": hashlib.sha256(total).hexdigest(), "files": files, "links": links}


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_zip(root: Path, target: Path) -> None:
    """Zips the folder with its links, so that unpacking gives the same application."""
    date = time.gmtime(root.stat().st_mtime)[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in [root, *entries(root)]:
            name = path.relative_to(root.parent).as_posix()
            if path.is_symlink():
                archive.writestr(_entry(name, date, stat.S_IFLNK | 0o755), str(path.readlink()))
            elif path.is_dir():
                archive.writestr(_entry(f"{name}/", date, stat.S_IFDIR | 0o755), b"")
            else:
                archive.writestr(
                    _entry(name, date, stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)), path.read_bytes()
                )


def tree_size(root: Path) -> int:
    """Bytes in files, as the sum of their lengths."""
    return sum(path.stat().st_size for path in entries(root) if path.is_file() and not path.is_symlink())


def _entry(name: str, date: tuple[int, int, int, int, int, int], mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date)
    info.external_attr = mode << 16
    info.create_system = 3  # Unix, whatever the machine
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
