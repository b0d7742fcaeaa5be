"""A bundle under examination, and what can be said against it."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.parsers.expat import ExpatError

from appbundle import macho
from appbundle.layout import MINIMUM_MACOS, Layout
from appbundle.macho import MachO

UNREADABLE = (OSError, plistlib.InvalidFileException, ExpatError, ValueError)


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
        except (*UNREADABLE, KeyError):
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


def version_tuple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
