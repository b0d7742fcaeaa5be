"""Compiles `launcher.c` with zig, which brings compilers and system headers for macOS and Linux alike.

zig signs a macOS executable ad hoc, as an Apple Silicon Mac demands.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from appbundle.cache import cache_dir
from appbundle.layout import MINIMUM_MACOS, Layout
from appbundle.shell import run

SOURCE = Path(__file__).with_name("launcher.c")
MACOS_CONFIGURATION = Path(__file__).with_name("macos-pyconfig.h")
TARGETS = {"macos": f"aarch64-macos.{MINIMUM_MACOS}", "linux": "x86_64-linux-gnu.2.28"}


def build_launcher(layout: Layout, headers: Path, work: Path) -> None:
    """Compiles the bundle's executable against the headers of the bundled Python."""
    include = work / "include"
    include.mkdir(parents=True)
    if layout.platform == "macos":
        shutil.copyfile(MACOS_CONFIGURATION, include / "pyconfig.h")
    layout.executable.parent.mkdir(parents=True)
    command: list[str | Path] = [
        *(sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[layout.platform]),
        *("-std=c11", "-D_GNU_SOURCE", "-Os", "-s", "-Wall", "-Wextra", "-Werror"),
        *(f"-I{include}", "-isystem", headers),
        f'-DPYTHON_LIBRARY="{layout.python_library.relative_to(layout.contents)}"',
        f'-DPYTHON_HOME="{layout.home.relative_to(layout.contents)}"',
        *(SOURCE, "-o", layout.executable),
    ]
    run(
        command,
        env={"ZIG_GLOBAL_CACHE_DIR": str(cache_dir() / "zig"), "ZIG_LOCAL_CACHE_DIR": str(work / "zig")},
    )
    layout.executable.chmod(0o755)
