"""The command line of this same program as a process beside it, with its user's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_command(*words: str) -> list[str]:
    """`droid-tune WORDS` by this interpreter."""
    return [sys.executable, "-m", "droid_tune", *words]


def own_environment() -> dict[str, str]:
    """This process's, with its own code found first."""
    home = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths}
