"""What the checks need to know of a Mach-O file, read once with lief."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import lief

from appbundle.thin import is_macho

lief.logging.disable()

N_WEAK_REF = 0x40


@dataclass(frozen=True)
class Import:
    """A symbol taken from elsewhere. `library` is the name under which the file names it, None for a flat look-up."""

    symbol: str
    library: str | None
    weak: bool


@dataclass(frozen=True)
class MachO:
    """One thin file. Versions are (major, minor, patch); `libraries` are as written, in the order of their ordinals."""

    path: Path
    architectures: tuple[str, ...]
    minimum_system: tuple[int, ...] | None
    libraries: tuple[str, ...]
    weak_libraries: frozenset[str]
    rpaths: tuple[str, ...]
    imports: tuple[Import, ...] = field(repr=False)
    exports: frozenset[str] = field(repr=False)
    reexports: tuple[str, ...] = ()


def read(path: Path) -> MachO | None:
    """Reads a Mach-O file; None when it cannot be parsed."""
    universal = lief.MachO.parse(str(path))
    if universal is None or universal.size == 0:
        return None
    architectures = tuple(binary.header.cpu_type.name for binary in universal)
    binary = universal.take(lief.MachO.Header.CPU_TYPE.ARM64) or universal.at(0)
    if binary is None:
        return None
    loads = [found for found in binary.libraries if found.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    names = tuple(str(found.name) for found in loads)
    kinds = lief.MachO.LoadCommand.TYPE
    return MachO(
        path=path,
        architectures=architectures,
        minimum_system=_minimum_system(binary),
        libraries=names,
        weak_libraries=frozenset(
            str(found.name) for found in loads if found.command == kinds.LOAD_WEAK_DYLIB
        ),
        rpaths=tuple(str(found.path) for found in binary.rpaths),
        imports=tuple(_import(symbol, names) for symbol in binary.imported_symbols),
        exports=frozenset(str(symbol.name) for symbol in binary.exported_symbols),
        reexports=tuple(str(found.name) for found in loads if found.command == kinds.REEXPORT_DYLIB),
    )


def files(root: Path) -> list[Path]:
    """Every Mach-O file below `root`, links not followed."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if is_macho(path))


def _minimum_system(binary: lief.MachO.Binary) -> tuple[int, ...] | None:
    if binary.build_version is not None:
        return tuple(binary.build_version.minos)
    if binary.version_min is not None:
        return tuple(binary.version_min.version)
    return None


def _import(symbol: lief.MachO.Symbol, libraries: tuple[str, ...]) -> Import:
    ordinal = (symbol.description >> 8) & 0xFF
    library = libraries[ordinal - 1] if 1 <= ordinal <= len(libraries) else None
    return Import(str(symbol.name), library, bool(symbol.description & N_WEAK_REF))
