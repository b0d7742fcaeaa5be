"""Checks of the Mach-O files: would macOS load each of them, and would each find what it needs?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from appbundle.examined import Bundle, Fault
from appbundle.macho import MachO
from appbundle.signature import signature_fault
from appbundle.thin import arm64_slice

SYSTEM_PREFIXES = ("/usr/lib/", "/System/Library/")


def readable(bundle: Bundle) -> Iterator[Fault]:
    """Every Mach-O file can be parsed."""
    for path in bundle.macho_paths:
        if path not in bundle.macho_files:
            yield Fault(bundle.name(path), "it begins like a Mach-O file but cannot be read as one")


def architecture(bundle: Bundle) -> Iterator[Fault]:
    """Every Mach-O file is arm64 and nothing else."""
    for path, file in bundle.macho_files.items():
        if file.architectures != ("ARM64",):
            yield Fault(bundle.name(path), f"it is for {', '.join(file.architectures)}, not for arm64 alone")


def minimum_system(bundle: Bundle) -> Iterator[Fault]:
    """No file asks for a newer macOS than LSMinimumSystemVersion."""
    limit = bundle.minimum_system
    for path, file in bundle.macho_files.items():
        if file.minimum_system is None:
            yield Fault(bundle.name(path), "it does not say which macOS it needs")
        elif padded(file.minimum_system) > padded(limit):
            yield Fault(
                bundle.name(path),
                f"it needs macOS {dotted(file.minimum_system)}, the bundle says {dotted(limit)}",
            )


def libraries(bundle: Bundle) -> Iterator[Fault]:
    """Every library is macOS's own or found inside the bundle."""
    inside = bundle.root.resolve()
    for path, file in bundle.macho_files.items():
        for library in file.libraries:
            if library.startswith(SYSTEM_PREFIXES) or library in file.weak_libraries:
                continue
            found = bundle.resolve(file, library)
            if found is None:
                yield Fault(bundle.name(path), f"it needs {library}, which is not in the bundle")
            elif not found.is_relative_to(inside):
                yield Fault(bundle.name(path), f"it needs {library}, which lies outside the bundle")


def symbols(bundle: Bundle) -> Iterator[Fault]:
    """Every symbol taken from a bundled library exists there, and every one of Python's in the bundled Python."""
    by_path = {path.resolve(): file for path, file in bundle.macho_files.items()}
    python = by_path.get(bundle.layout.python_library.resolve())
    for path, file in bundle.macho_files.items():
        for wanted in file.imports:
            provider = python if is_python_symbol(wanted.symbol) and wanted.library is None else None
            if wanted.library is not None and not wanted.library.startswith(SYSTEM_PREFIXES):
                target = bundle.resolve(file, wanted.library)
                provider = by_path.get(target.resolve()) if target else None
            if provider and not wanted.weak and not exports(bundle, by_path, provider, wanted.symbol):
                yield Fault(bundle.name(path), f"{wanted.symbol} is not in {provider.path.name}")


def signatures(bundle: Bundle) -> Iterator[Fault]:
    """Every Mach-O file is signed, if only ad hoc, and its pages are what was signed."""
    for path in bundle.macho_files:
        fault = signature_fault(arm64_slice(path.read_bytes()))
        if fault:
            yield Fault(bundle.name(path), fault)


def metal_library(bundle: Bundle) -> Iterator[Fault]:
    """MLX finds its kernels: mlx.metallib lies beside libmlx.dylib."""
    found = [path for path in bundle.macho_paths if path.name == "libmlx.dylib"]
    if not found:
        yield Fault("Contents", "libmlx.dylib is missing")
    for path in found:
        kernels = path.with_name("mlx.metallib")
        if not kernels.is_file() or kernels.read_bytes()[:4] != b"MTLB":
            yield Fault(bundle.name(path), "mlx.metallib is not beside it: nothing could run on the GPU")


def exports(bundle: Bundle, by_path: dict[Path, MachO], provider: MachO, symbol: str) -> bool:
    """Whether a library exports a symbol, itself or through a library that it passes on."""
    if symbol in provider.exports:
        return True
    for library in provider.reexports:
        if library.startswith(SYSTEM_PREFIXES):
            return True
        target = bundle.resolve(provider, library)
        passed_on = by_path.get(target.resolve()) if target else None
        if passed_on and exports(bundle, by_path, passed_on, symbol):
            return True
    return False


def is_python_symbol(symbol: str) -> bool:
    """Python's own names begin with Py or _Py; C adds another underscore."""
    return symbol.startswith(("_Py", "__Py"))


def padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0)[:3]


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
