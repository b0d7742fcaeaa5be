"""Gives Qt's frameworks their symbolic links back: a wheel is a zip file and has none.

A framework without them is refused by codesign ("bundle format is ambiguous"). Apple's layout: `Versions/Current`
points at the version; the library and `Resources` in the framework's own folder point through `Current`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

VERSION = "A"


def restore_links(folder: Path) -> None:
    """Restores the links of every framework below `folder`."""
    for framework in sorted(folder.rglob("*.framework")):
        if framework.is_dir() and (framework / "Versions" / VERSION).is_dir():
            _link(framework / "Versions" / "Current", VERSION)
            for name in (framework.stem, "Resources"):
                if (framework / "Versions" / VERSION / name).exists():
                    _link(framework / name, f"Versions/Current/{name}")


def _link(path: Path, target: str) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    path.symlink_to(target)
