"""Cuts the Apple Silicon slice out of a universal Mach-O file.

A slice is a whole Mach-O file with its own code signature, so cutting is copying: no byte of it changes and the
signature stays right. Format: `fat_header` and `fat_arch` of <mach-o/fat.h>, big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FAT_MAGIC = b"\xca\xfe\xba\xbe"
FAT_MAGIC_64 = b"\xca\xfe\xba\xbf"
MACHO_MAGIC_64 = b"\xcf\xfa\xed\xfe"
CPU_ARM64 = 0x0100000C

# A Java class file begins with the same four bytes; its next field is a version, at least 45.
MOST_SLICES = 16


@dataclass(frozen=True)
class Slice:
    cpu: int
    offset: int
    size: int


def is_macho(path: Path) -> bool:
    """Whether the file is a Mach-O file, universal or not."""
    with path.open("rb") as file:
        start = file.read(8)
    return start[:4] == MACHO_MAGIC_64 or _slice_count(start) > 0


def slices(content: bytes) -> Iterator[Slice]:
    """The slices of a universal file; none for any other content."""
    count = _slice_count(content[:8])
    entry = ">IIQQII" if content[:4] == FAT_MAGIC_64 else ">IIIII"
    size = struct.calcsize(entry)
    for index in range(count):
        cpu, _, offset, length, *_ = struct.unpack_from(entry, content, 8 + index * size)
        yield Slice(cpu, offset, length)


def arm64_slice(content: bytes) -> bytes:
    """The arm64 slice of a universal file; any other content as it is."""
    for part in slices(content):
        if part.cpu == CPU_ARM64:
            return content[part.offset : part.offset + part.size]
    return content


def thin_tree(folder: Path) -> int:
    """Replaces each universal file below `folder` by its arm64 slice; returns the bytes saved."""
    saved = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or not is_macho(path):
            continue
        content = path.read_bytes()
        thinned = arm64_slice(content)
        if len(thinned) < len(content):
            mode = path.stat().st_mode
            path.unlink()  # never in place: the file may be shared with a package cache
            path.write_bytes(thinned)
            path.chmod(mode)
            saved += len(content) - len(thinned)
    return saved


def _slice_count(start: bytes) -> int:
    if len(start) < 8 or start[:4] not in (FAT_MAGIC, FAT_MAGIC_64):
        return 0
    count = int.from_bytes(start[4:8], "big")
    return count if count <= MOST_SLICES else 0
