"""The CPython inside the bundle.

On macOS: python.org's library and extension modules, brought by the freeze-core wheel, and the pure-Python library of
the same version. On Linux: the interpreter of this machine. Both end in the same folders (see `layout`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from appbundle.layout import MINIMUM_MACOS, PYTHON, Layout
from appbundle.problem import BundleError
from appbundle.python_source import PythonSource, from_prefix, python_source
from appbundle.shell import run
from appbundle.wheels import install_for_macos

RUNTIME_REQUIREMENTS = Path(__file__).with_name("runtime.txt")

# Parts of the standard library that the application never imports.
UNUSED_LIBRARY = (
    "__phello__", "ensurepip", "idlelib", "test", "tkinter", "turtledemo", "turtle.py", "lib-dynload", "pydoc_data", "curses",
    "site-packages", "__pycache__", "config-*", "_sysconfigdata_*", "EXTERNALLY-MANAGED",
)  # fmt: skip
UNUSED_EXTENSIONS = ("_test*", "_xxtest*", "xx*", "_tkinter*", "_ctypes_test*", "_curses*")
UNUSED_LIBRARIES = ("Tcl", "Tk", "libncurses*", "libpanel*")


@dataclass(frozen=True)
class Runtime:
    """The runtime that was put into the bundle: its version, its headers and where it came from."""

    version: str
    headers: Path
    origin: str


def add_macos_runtime(
    layout: Layout, work: Path, chosen_source: Path | None, interpreter: Path | None
) -> Runtime:
    """Puts python.org's arm64 CPython into the bundle."""
    wheel = work / "freeze-core"
    install_for_macos(["--require-hashes", "-r", RUNTIME_REQUIREMENTS], wheel)
    frozen = wheel / "freeze_core"
    version = runtime_version(frozen)
    source = python_source(version, chosen_source, interpreter)
    _copy_library(source, layout)
    shutil.copytree(
        frozen / "lib",
        layout.extension_modules,
        ignore=shutil.ignore_patterns(*UNUSED_EXTENSIONS, "*.py", "__pycache__"),
    )
    _copy_dynamic_libraries(frozen / "bases" / "lib", layout)
    (layout.stdlib / "_sysconfigdata__darwin_darwin.py").write_text(_build_time_variables(version))
    return Runtime(
        version, source.headers, f"python.org's library from {_wheel_name(wheel)}; {source.origin}"
    )


def add_linux_runtime(layout: Layout, interpreter: Path) -> Runtime:
    """Puts this machine's CPython into the trial bundle. It must have been built with a shared library."""
    version = run([interpreter, "-I", "-c", "import platform; print(platform.python_version())"]).strip()
    prefix = interpreter.parent.parent
    shared = prefix / "lib" / layout.python_library.name
    if not shared.exists():
        raise BundleError(
            f"{interpreter} has no {shared.name}; please name a Python built with --enable-shared."
        )
    source = from_prefix(version, prefix)
    _copy_library(source, layout)
    unused = shutil.ignore_patterns(*UNUSED_EXTENSIONS)
    shutil.copytree(
        prefix / "lib" / f"python{PYTHON}" / "lib-dynload",
        layout.extension_modules,
        ignore=unused,
    )
    for found in source.library.glob("_sysconfigdata_*.py"):
        shutil.copyfile(found, layout.stdlib / found.name)
    layout.python_library.parent.mkdir(parents=True)
    shutil.copy2(shared, layout.python_library)
    return Runtime(version, prefix / "include" / f"python{PYTHON}", source.origin)


def runtime_version(frozen: Path) -> str:
    """The exact version of the library in the freeze-core wheel, for example "3.13.15"."""
    names = json.loads(next((frozen / "frozen").glob("frozen-*.json")).read_text())
    version = str(names["__version__"]).split()[0]
    if not version.startswith(f"{PYTHON}."):
        raise BundleError(
            f"the freeze-core wheel brings Python {version}, but the bundle is made for {PYTHON}."
        )
    return version


def _copy_library(source: PythonSource, layout: Layout) -> None:
    shutil.copytree(source.library, layout.stdlib, ignore=shutil.ignore_patterns(*UNUSED_LIBRARY))
    shutil.copyfile(source.licence, layout.stdlib / "LICENSE.txt")


def _copy_dynamic_libraries(folder: Path, layout: Layout) -> None:
    layout.python_library.parent.mkdir(parents=True)
    shutil.copy2(folder / "Python", layout.python_library)
    layout.runtime_libraries.mkdir(parents=True)
    for library in sorted(folder.iterdir()):
        if not any(library.match(pattern) for pattern in (*UNUSED_LIBRARIES, "Python")):
            shutil.copy2(library, layout.runtime_libraries / library.name)


def _wheel_name(installed: Path) -> str:
    return next(installed.glob("freeze_core-*.dist-info")).name.removesuffix(".dist-info")


def _build_time_variables(version: str) -> str:
    """The few of `sysconfig`'s values that mean something without a compiler."""
    minor = version.rpartition(".")[0]
    values = {
        "EXT_SUFFIX": f".cpython-{minor.replace('.', '')}-darwin.so",
        "LDVERSION": minor,
        "MACOSX_DEPLOYMENT_TARGET": MINIMUM_MACOS,
        "Py_ENABLE_SHARED": 1,
        "Py_GIL_DISABLED": 0,
        "SHLIB_SUFFIX": ".so",
        "SOABI": f"cpython-{minor.replace('.', '')}-darwin",
        "VERSION": minor,
    }
    lines = [f"    {name!r}: {value!r}," for name, value in values.items()]
    return "build_time_vars = {\n" + "\n".join(lines) + "\n}\n"
