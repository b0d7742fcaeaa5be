"""Python modules of ours as processes of their own, which see nothing of the user's environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_BOOT = (
    "import json, runpy, sys; home, *others = json.loads(sys.argv[1]); "
    "sys.path.insert(0, home); sys.path.extend(others); "
    "runpy.run_module(sys.argv[2], run_name='__main__')"
)
#: variables that say nothing of the user but his language and clock
HARMLESS = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


def isolated_python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package, without the user's site folder, start-up files or path.

    The package comes first, so that the child runs the same code as this process.
    """
    package_home = str(Path(__file__).resolve().parents[2])
    paths = [package_home, *(path for path in sys.path if path.endswith("site-packages"))]
    return [sys.executable, "-I", "-c", _BOOT, json.dumps(paths), module, *arguments]


def harmless_environment() -> dict[str, str]:
    """The few variables of this process that any child may know: no keys, no home folder."""
    return {name: os.environ[name] for name in HARMLESS if name in os.environ}
