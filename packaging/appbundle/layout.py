"""Where everything lies inside the bundle; the same folders on macOS and, for trying the bundle out, on Linux."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

APP_NAME = "Droid Tune"
BUNDLE_ID = "io.github.droid-tune.DroidTune"
EXECUTABLE = "droid-tune"
ICON_NAME = "droid-tune.icns"
MINIMUM_MACOS = "14.0"

# The bundle brings this Python, on both platforms: its wheels are chosen by it.
PYTHON = "3.13"

Platform = Literal["macos", "linux"]


@dataclass(frozen=True)
class Layout:
    """The paths of one bundle. `root` is the `.app` folder (on Linux a folder of the same shape)."""

    root: Path
    platform: Platform

    @property
    def contents(self) -> Path:
        return self.root / "Contents"

    @property
    def executable(self) -> Path:
        return self.contents / "MacOS" / EXECUTABLE

    @property
    def info_plist(self) -> Path:
        return self.contents / "Info.plist"

    @property
    def python_library(self) -> Path:
        name = f"libpython{PYTHON}.dylib" if self.platform == "macos" else f"libpython{PYTHON}.so.1.0"
        return self.contents / "Frameworks" / name

    @property
    def home(self) -> Path:
        """Python's prefix."""
        return self.contents / "Resources"

    @property
    def stdlib(self) -> Path:
        return self.home / "lib" / f"python{PYTHON}"

    @property
    def extension_modules(self) -> Path:
        return self.stdlib / "lib-dynload"

    @property
    def runtime_libraries(self) -> Path:
        """OpenSSL's libraries: the extension modules name them as `@loader_path/../bases/lib/...`."""
        return self.stdlib / "bases" / "lib"

    @property
    def site_packages(self) -> Path:
        return self.stdlib / "site-packages"

    @property
    def project_resources(self) -> Path:
        """The project's own `resources` folder: beside the packages, as in its wheel."""
        return self.site_packages / "resources"

    @property
    def icon(self) -> Path:
        return self.home / ICON_NAME

    @property
    def third_party(self) -> Path:
        return self.home / "THIRD_PARTY.txt"

    @property
    def components(self) -> Path:
        return self.home / "components.json"


def bundle_folder(dist: Path, platform: Platform) -> Path:
    """`dist/Droid Tune.app`, or the Linux trial beside it."""
    return dist / (f"{APP_NAME}.app" if platform == "macos" else f"{APP_NAME} for Linux")
