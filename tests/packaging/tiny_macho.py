"""Writes small but whole Mach-O files, so that every fault can be planted on any machine.

Layout (<mach-o/loader.h>): header, load commands, padding to a page, symbols, strings, code signature.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

ARM64, X86_64 = 0x0100000C, 0x01000007
EXECUTE, DYLIB = 2, 6
PAGE = 4096
FIRST_PAGE = 4 * PAGE


@dataclass(frozen=True)
class Spec:
    """What the file is to contain. `imports` are (symbol, ordinal): 1 is the first library, 0xFE any."""

    kind: int = DYLIB
    cpu: int = ARM64
    minimum_system: tuple[int, int] | None = (14, 0)
    libraries: Sequence[str] = ("/usr/lib/libSystem.B.dylib",)
    weak_libraries: Sequence[str] = ()
    rpaths: Sequence[str] = ()
    exports: Sequence[str] = ()
    imports: Sequence[tuple[str, int]] = ()
    signed: bool = True
    filling: bytes = field(default=b"")


def macho(spec: Spec) -> bytes:
    """The file's bytes."""
    strings, symbols = _symbol_table(spec)
    trie = _export_trie(spec.exports)
    symbol_offset = FIRST_PAGE + len(trie)
    string_offset = symbol_offset + len(symbols)
    signature_offset = _aligned(string_offset + len(strings), 16)
    signature_size = _signature_size(signature_offset) if spec.signed else 0
    end = signature_offset + signature_size
    commands = [
        _segment(b"__TEXT", 0, FIRST_PAGE, 5),
        _segment(b"__LINKEDIT", FIRST_PAGE, end - FIRST_PAGE, 1),
        struct.pack("<IIIIII", 0x2, 24, symbol_offset, len(symbols) // 16, string_offset, len(strings)),
        _symbol_ranges(len(spec.exports), len(spec.imports)),
        struct.pack("<IIII", 0x80000033, 16, FIRST_PAGE, len(trie)),
    ]
    if spec.kind == DYLIB:
        commands.append(_dylib(0xD, "@rpath/self.dylib"))
    commands += [_dylib(0xC, name) for name in spec.libraries]
    commands += [_dylib(0x80000018, name) for name in spec.weak_libraries]
    commands += [_rpath(path) for path in spec.rpaths]
    if spec.minimum_system:
        version = spec.minimum_system[0] << 16 | spec.minimum_system[1] << 8
        commands.append(struct.pack("<IIIIII", 0x32, 24, 1, version, version, 0))
    if spec.signed:
        commands.append(struct.pack("<IIII", 0x1D, 16, signature_offset, signature_size))
    loaded = b"".join(commands)
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, spec.cpu, 0, spec.kind, len(commands), len(loaded), 0x85, 0)
    start = (header + loaded).ljust(FIRST_PAGE - len(spec.filling), b"\0") + spec.filling
    unsigned = (start + trie + symbols + strings).ljust(signature_offset, b"\0")
    return unsigned + (signature(unsigned) if spec.signed else b"")


def universal(*parts: bytes) -> bytes:
    """A universal file of thin ones."""
    offset, entries, body = PAGE, b"", b""
    for part in parts:
        cpu = struct.unpack_from("<I", part, 4)[0]
        entries += struct.pack(">IIIII", cpu, 0, offset, len(part), 12)
        padded = part.ljust(_aligned(len(part), PAGE), b"\0")
        body, offset = body + padded, offset + len(padded)
    return (struct.pack(">4sI", b"\xca\xfe\xba\xbe", len(parts)) + entries).ljust(PAGE, b"\0") + body


def signature(signed: bytes) -> bytes:
    """An ad hoc signature: one code directory with SHA-256 of every page."""
    pages = [signed[start : start + PAGE] for start in range(0, len(signed), PAGE)]
    hashes = b"".join(hashlib.sha256(page).digest() for page in pages)
    identifier = b"tiny\0"
    hash_offset = 44 + len(identifier)
    directory = struct.pack(
        ">IIIIIIIIIBBBBI",
        *(0xFADE0C02, hash_offset + len(hashes), 0x20001, 2, hash_offset, 44, 0, len(pages), len(signed)),
        *(32, 2, 0, 12, 0),
    )
    blob = directory + identifier + hashes
    return struct.pack(">IIIII", 0xFADE0CC0, 20 + len(blob), 1, 0, 20) + blob


def _signature_size(limit: int) -> int:
    return len(signature(b"\0" * limit))


def _symbol_table(spec: Spec) -> tuple[bytes, bytes]:
    strings, symbols = b"\0", b""
    for name, kind, description in [
        *((name, 0x0F, 0) for name in spec.exports),
        *((name, 0x01, ordinal << 8) for name, ordinal in spec.imports),
    ]:
        section = 1 if kind == 0x0F else 0
        symbols += struct.pack("<IBBHQ", len(strings), kind, section, description, 0x1000 if section else 0)
        strings += name.encode() + b"\0"
    return strings, symbols


def _segment(name: bytes, offset: int, size: int, protection: int) -> bytes:
    in_memory = _aligned(size, FIRST_PAGE)
    return struct.pack(
        "<II16sQQQQIIII", 0x19, 72, name, offset, in_memory, offset, size, protection, protection, 0, 0
    )


def _export_trie(names: Sequence[str]) -> bytes:
    """One edge from the root per name; offsets take two bytes (a ULEB128 of fixed length)."""
    edges = [name.encode() + b"\0" for name in names]
    node = b"\x03\x00\x80\x20\x00"  # 3 bytes: no flags, address 0x1000; no children
    first = 2 + sum(len(edge) + 2 for edge in edges)
    root = bytes([0, len(edges)])
    for index, edge in enumerate(edges):
        offset = first + index * len(node)
        root += edge + bytes([offset & 0x7F | 0x80, offset >> 7])
    trie = root + node * len(edges)
    return trie.ljust(_aligned(len(trie), 16), b"\0")


def _symbol_ranges(exported: int, imported: int) -> bytes:
    """LC_DYSYMTAB: first the exported symbols, then the imported ones."""
    return struct.pack("<IIIIIIII", 0xB, 80, 0, 0, 0, exported, exported, imported) + bytes(48)


def _dylib(command: int, name: str) -> bytes:
    text = name.encode() + b"\0"
    size = _aligned(24 + len(text), 8)
    return struct.pack("<IIIIII", command, size, 24, 2, 0x10000, 0x10000) + text.ljust(size - 24, b"\0")


def _rpath(path: str) -> bytes:
    text = path.encode() + b"\0"
    size = _aligned(12 + len(text), 8)
    return struct.pack("<III", 0x8000001C, size, 12) + text.ljust(size - 12, b"\0")


def _aligned(number: int, step: int) -> int:
    return -(-number // step) * step
