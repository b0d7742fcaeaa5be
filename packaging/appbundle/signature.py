"""Checks a Mach-O file's embedded code signature without a Mac: do its pages still have the hashes that were signed?

An Apple Silicon Mac kills a process whose page hashes are wrong, ad hoc signature or not. Formats: `CS_SuperBlob` and
`CS_CodeDirectory` of Apple's <kern/cs_blobs.h>, big-endian.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

EMBEDDED_SIGNATURE = 0xFADE0CC0
CODE_DIRECTORY = 0xFADE0C02
SHA1, SHA256 = 1, 2
ALGORITHMS = {SHA1: "sha1", SHA256: "sha256"}
LC_CODE_SIGNATURE = 0x1D
HEADER_SIZE_64 = 32


@dataclass(frozen=True)
class CodeDirectory:
    """What was signed: `limit` bytes of the file in pages, one hash for each."""

    algorithm: str
    page_size: int
    limit: int
    hashes: tuple[bytes, ...]


def signature_fault(content: bytes) -> str | None:
    """What is wrong with the signature of a thin 64-bit Mach-O file; None when it is right."""
    try:
        return _fault(content)
    except struct.error:
        return "its load commands or its code signature are cut short"


def _fault(content: bytes) -> str | None:
    blob = _signature_blob(content)
    if blob is None:
        return "it has no code signature"
    directories = _code_directories(blob)
    if not directories:
        return "its code signature has no code directory"
    for directory in directories:
        if directory.limit > len(content) or directory.limit < HEADER_SIZE_64:
            return "its code signature covers more bytes than the file has"
        wrong = _first_wrong_page(content, directory)
        if wrong is not None:
            return f"page {wrong} ({directory.algorithm}) differs from what was signed"
    return None


def _signature_blob(content: bytes) -> bytes | None:
    commands, offset = struct.unpack_from("<I", content, 16)[0], HEADER_SIZE_64
    for _ in range(commands):
        command, size = struct.unpack_from("<II", content, offset)
        if command == LC_CODE_SIGNATURE:
            start, length = struct.unpack_from("<II", content, offset + 8)
            return content[start : start + length]
        offset += size
    return None


def _code_directories(blob: bytes) -> list[CodeDirectory]:
    magic, _, count = struct.unpack_from(">III", blob)
    if magic != EMBEDDED_SIGNATURE:
        return []
    offsets = [struct.unpack_from(">II", blob, 12 + 8 * index)[1] for index in range(count)]
    return [found for offset in offsets if (found := _code_directory(blob, offset)) is not None]


def _code_directory(blob: bytes, start: int) -> CodeDirectory | None:
    if struct.unpack_from(">I", blob, start)[0] != CODE_DIRECTORY:
        return None
    hash_offset, _, _, code_slots, code_limit = struct.unpack_from(">IIIII", blob, start + 16)
    hash_size, hash_type, _, page_shift = struct.unpack_from(">BBBB", blob, start + 36)
    if hash_type not in ALGORITHMS:
        return None
    first = start + hash_offset
    hashes = tuple(
        blob[first + hash_size * slot : first + hash_size * (slot + 1)] for slot in range(code_slots)
    )
    return CodeDirectory(ALGORITHMS[hash_type], 1 << page_shift, code_limit, hashes)


def _first_wrong_page(content: bytes, directory: CodeDirectory) -> int | None:
    for page, signed in enumerate(directory.hashes):
        start = page * directory.page_size
        part = content[start : min(start + directory.page_size, directory.limit)]
        if hashlib.new(directory.algorithm, part).digest()[: len(signed)] != signed:
            return page
    return None
