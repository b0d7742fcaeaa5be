"""Python modules of ours as processes of their own, which see nothing of the user's environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: the library comes from where the parent has it, whatever is installed; nothing else of that folder can be imported
_BOOT = """
import importlib.util, json, sys
package, paths = json.loads(sys.argv[1])
found = importlib.util.spec_from_file_location(
    "droid_tune", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["droid_tune"] = importlib.util.module_from_spec(found)
found.loader.exec_module(sys.modules["droid_tune"])
sys.path.extend(paths)
"""
_MODULE = "import runpy; runpy.run_module(sys.argv[2], run_name='__main__')"
#: variables that say nothing of the user but his language and clock
HARMLESS = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


def isolated_python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package, without the user's site folder, start-up files or path."""
    return python_of_ours(_MODULE, module, *arguments, flags=("-I",))


def python_of_ours(code: str, *arguments: str, flags: Sequence[str]) -> list[str]:
    """The command that runs `code`, which finds the package as this process has it, and `arguments` from sys.argv[2] on."""
    package = str(Path(__file__).resolve().parents[1])
    paths = [path for path in sys.path if path.endswith("site-packages")]
    return [sys.executable, *flags, "-c", _BOOT + code, json.dumps([package, paths]), *arguments]


def harmless_environment() -> dict[str, str]:
    """The few variables of this process that any child may know: no keys, no home folder."""
    return {name: os.environ[name] for name in HARMLESS if name in os.environ}
