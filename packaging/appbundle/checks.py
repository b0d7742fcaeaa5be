"""The checks of `packaging/check-app`: each takes the bundle and yields faults. No Mac is needed for any of them."""

from __future__ import annotations

import json
import plistlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.parsers.expat import ExpatError

from icnsutil import IcnsFile

from appbundle import macho
from appbundle.distributions import installed, metadata_folder, required
from appbundle.icon import SIZES
from appbundle.info_plist import info_plist
from appbundle.layout import MINIMUM_MACOS, Layout
from appbundle.macho import MachO
from appbundle.manifest import entries, tree_size
from appbundle.signature import signature_fault
from appbundle.thin import arm64_slice

LARGEST_BUNDLE = 420_000_000
SYSTEM_PREFIXES = ("/usr/lib/", "/System/Library/")
PROJECT_NAME = "droid-tune"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where (relative to the bundle) and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Bundle:
    """A bundle under examination; its Mach-O files are read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root, "macos")

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def macho_paths(self) -> list[Path]:
        return macho.files(self.root)

    @cached_property
    def macho_files(self) -> dict[Path, MachO]:
        found = {path: macho.read(path) for path in self.macho_paths}
        return {path: file for path, file in found.items() if file is not None}

    @cached_property
    def minimum_system(self) -> tuple[int, ...]:
        """LSMinimumSystemVersion, as numbers."""
        try:
            properties = plistlib.loads(self.layout.info_plist.read_bytes())
            return version_tuple(str(properties["LSMinimumSystemVersion"]))
        except (OSError, plistlib.InvalidFileException, ExpatError, ValueError, KeyError):
            return version_tuple(MINIMUM_MACOS)  # `properties` says what is wrong with the file

    def resolve(self, file: MachO, library: str) -> Path | None:
        """The file that dyld would load for a name as written, or None."""
        return next((path for path in self._candidates(file, library) if path.exists()), None)

    def _candidates(self, file: MachO, library: str) -> Iterator[Path]:
        if library.startswith("@rpath/"):
            for rpath in file.rpaths:
                yield from self._candidates(file, f"{rpath.rstrip('/')}/{library.removeprefix('@rpath/')}")
        elif library.startswith("@loader_path/"):
            yield (file.path.parent / library.removeprefix("@loader_path/")).resolve()
        elif library.startswith("@executable_path/"):
            yield (self.layout.executable.parent / library.removeprefix("@executable_path/")).resolve()


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


def packages(bundle: Bundle) -> Iterator[Fault]:
    """Every requirement of the project is installed, with metadata, and RECORD lists only what is there."""
    site_packages = bundle.layout.site_packages
    present = installed(site_packages)
    if PROJECT_NAME not in present:
        yield Fault(bundle.name(site_packages), f"{PROJECT_NAME} is not installed")
    for name, distribution in present.items():
        if not distribution.version:
            yield Fault(bundle.name(site_packages), f"{name} has no version")
        for file in distribution.files or ():
            if not (site_packages / str(file)).exists():
                yield Fault(
                    bundle.name(metadata_folder(distribution)), f"RECORD names {file}, which does not exist"
                )
    needed = required(site_packages, PROJECT_NAME, "macos")
    for name in sorted(set(present) - set(needed)):
        yield Fault(bundle.name(site_packages), f"{name} is installed but nothing needs it")
    for name in sorted(set(needed) - set(present)):
        yield Fault(bundle.name(site_packages), f"{needed[name]} needs {name}, which is not installed")


def byte_code(bundle: Bundle) -> Iterator[Fault]:
    """No .pyc file: those of another build or Python would be stale, and the launcher keeps its own elsewhere."""
    for path in entries(bundle.root):
        if path.suffix == ".pyc":
            yield Fault(bundle.name(path), "byte code does not belong into the bundle")


def properties(bundle: Bundle) -> Iterator[Fault]:
    """Info.plist has every key that it should, and what it names exists."""
    name = bundle.name(bundle.layout.info_plist)
    try:
        found = plistlib.loads(bundle.layout.info_plist.read_bytes())
    except (OSError, plistlib.InvalidFileException, ExpatError, ValueError) as error:
        yield Fault(name, f"it cannot be read ({error})")
        return
    for key, value in info_plist(str(found.get("CFBundleShortVersionString", ""))).items():
        if found.get(key) != value:
            yield Fault(name, f"{key} is {found.get(key)!r}, not {value!r}")
    if not re.fullmatch(r"\d+(\.\d+){1,2}", str(found.get("CFBundleVersion", ""))):
        yield Fault(name, f"CFBundleVersion is {found.get('CFBundleVersion')!r}, not numbers and dots")
    executable = bundle.layout.contents / "MacOS" / str(found.get("CFBundleExecutable", "?"))
    if not executable.is_file() or not executable.stat().st_mode & 0o100:
        yield Fault(bundle.name(executable), "the executable is missing or may not be executed")


def icon(bundle: Bundle) -> Iterator[Fault]:
    """The icon exists in every size."""
    path = bundle.layout.icon
    if not path.is_file():
        yield Fault(bundle.name(path), "the icon is missing")
        return
    sizes = set(IcnsFile(str(path)).media)
    absent = sorted(set(SIZES) - sizes)
    if absent:
        yield Fault(bundle.name(path), f"the icon lacks {', '.join(absent)}")


def resources(bundle: Bundle) -> Iterator[Fault]:
    """The starter model, the sample data and the licences are there."""
    folder = bundle.layout.project_resources
    for needed in (
        folder / "starter" / "config.json",
        folder / "sample-data",
        folder / "icons",
        bundle.layout.third_party,
    ):
        if not needed.exists() or (needed.is_dir() and not any(needed.iterdir())):
            yield Fault(bundle.name(needed), "it is missing")
    try:
        listed = {part["name"] for part in json.loads(bundle.layout.components.read_text())["components"]}
    except (OSError, ValueError, KeyError) as error:
        yield Fault(bundle.name(bundle.layout.components), f"it cannot be read ({error})")
        return
    for name in sorted(set(installed(bundle.layout.site_packages)) - listed):
        yield Fault(
            bundle.name(bundle.layout.components), f"{name} is in the bundle but not listed with its licence"
        )


# Built from pieces, so that this file does not find itself.
SECRETS = re.compile(
    rb"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}|\bhf_[A-Za-z0-9]{34}\b|\bghp_[A-Za-z0-9]{36}\b|"
    rb"\bAKIA[0-9A-Z]{16}\b|https?://[^/\s:@\"']+:[^/\s:@\"'{}<$%]{6,}@"
)
TEXT_SUFFIXES = (
    ".py",
    ".json",
    ".txt",
    ".toml",
    ".yaml",
    ".yml",
    ".cfg",
    ".ini",
    ".plist",
    ".pth",
    ".sh",
    "",
)
MACHINE_PATHS = re.compile(rb"(?:/root/|/work/|/tmp/)(?:[\w.+-]+/)+[\w.+-]+")


def machine_paths(bundle: Bundle) -> Iterator[Fault]:
    """Nothing we made names a folder of the building machine. Third-party files are as their authors made them."""
    ours = [bundle.layout.executable, bundle.layout.info_plist, bundle.layout.components]
    ours += sorted(bundle.layout.stdlib.glob("_sysconfigdata*.py"))
    ours += sorted(bundle.layout.site_packages.glob("*.dist-info/*"))
    ours += [
        path
        for path in entries(bundle.layout.site_packages)
        if path.name == "direct_url.json" or path.suffix == ".pth"
    ]
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in ours:
        if path.is_file():
            content = path.read_bytes()
            found = MACHINE_PATHS.search(content)
            if found or here in content:
                yield Fault(bundle.name(path), f"it names {found[0].decode() if found else here.decode()}")


def secrets(bundle: Bundle) -> Iterator[Fault]:
    """No private key, token or password."""
    for path in entries(bundle.root):
        if path.is_file() and not path.is_symlink() and path.suffix in TEXT_SUFFIXES:
            found = SECRETS.search(path.read_bytes())
            if found:
                yield Fault(
                    bundle.name(path), f"it holds what looks like a secret ({found[0][:12].decode()}...)"
                )


def test_data(bundle: Bundle) -> Iterator[Fault]:
    """No tests, and nothing of a developer's folder."""
    site_packages = bundle.layout.site_packages
    for path in entries(bundle.root):
        if path.is_dir() and path.name in ("tests", ".git", "__pycache__", ".pytest_cache", "node_modules"):
            yield Fault(bundle.name(path), "it does not belong into the bundle")
        if path.name in (".DS_Store", "conftest.py"):
            yield Fault(bundle.name(path), "it does not belong into the bundle")
    for name in ("pytest", "_pytest", "pip", "setuptools"):
        if (site_packages / name).exists():
            yield Fault(
                bundle.name(site_packages / name), "a developer's tool does not belong into the bundle"
            )


def links(bundle: Bundle) -> Iterator[Fault]:
    """Every symbolic link is relative, stays inside and leads somewhere."""
    inside = bundle.root.resolve()
    for path in entries(bundle.root):
        if path.is_symlink():
            target = path.readlink()
            if target.is_absolute() or not path.resolve().is_relative_to(inside) or not path.exists():
                yield Fault(bundle.name(path), f"it is a link to {target}")


def size(bundle: Bundle) -> Iterator[Fault]:
    """The bundle is not larger than it may be."""
    found = tree_size(bundle.root)
    if found > LARGEST_BUNDLE:
        yield Fault("Contents", f"it has {found / 1e6:.1f} MB, more than {LARGEST_BUNDLE / 1e6:.0f}")


CHECKS: tuple[Callable[[Bundle], Iterator[Fault]], ...] = (
    properties, readable, architecture, minimum_system, libraries, symbols, signatures, metal_library, packages, byte_code,
    icon, resources, machine_paths, secrets, test_data, links, size,
)  # fmt: skip


def check(root: Path) -> list[Fault]:
    """All faults of the bundle, in the order of the checks."""
    bundle = Bundle(root)
    if not bundle.layout.info_plist.is_file():
        return [Fault("Contents/Info.plist", "it is missing: this is no application bundle")]
    return [fault for one in CHECKS for fault in one(bundle)]


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


def version_tuple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0)[:3]


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
