"""The builder's own cache: downloads, tools and byte code that a second build does not make again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "DROID_TUNE_BUILD_CACHE"


def cache_dir() -> Path:
    """`DROID_TUNE_BUILD_CACHE`, or a folder of the user's cache."""
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(override).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "droid-tune-build"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "droid-tune-build"
