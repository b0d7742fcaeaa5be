"""What is left out of the bundle's site-packages, and why it may be.

Wheels are otherwise untouched. transformers' model files stay, all of them: any of them may be the user's model.
Each rule is a pattern relative to site-packages and must match something, so that a rule does not outlive its reason.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from appbundle.layout import Platform

# The Qt modules the window uses, and those that they and the platform plugins link against.
QT_MODULES = ("Core", "DBus", "Gui", "Network", "OpenGL", "OpenGLWidgets", "PrintSupport", "Svg", "SvgWidgets",
              "Test", "Widgets", "XcbQpa", "WaylandClient", "WaylandEglClientHwIntegration", "EglFSDeviceIntegration",
              "EglFsKmsSupport", "EglFsKmsGbmSupport")  # fmt: skip
QT_BINDINGS = ("Core", "DBus", "Gui", "Network", "Svg", "SvgWidgets", "Test", "Widgets")
QT_PLUGINS = ("iconengines", "imageformats", "networkinformation", "platforms", "platforminputcontexts",
              "platformthemes", "styles", "tls", "xcbglintegrations")  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """Files or folders that match `pattern` are removed."""

    pattern: str
    why: str
    platforms: tuple[Platform, ...] = ("macos", "linux")


RULES = (
    Rule("**/*.pyi", "type stubs are for editors"),
    Rule("**/tests", "a package's own tests"),
    Rule("**/conftest.py", "a package's own tests"),
    Rule("transformers/testing_utils.py", "a package's own tests; it holds a token of its authors"),
    Rule("*.dist-info/sboms", "bills of materials for scanners; the licences are kept"),
    Rule("mlx/include", "headers for C++ extensions; MLX's own kernels are compiled from text inside libmlx"),
    Rule("mlx/share", "CMake files for C++ extensions"),
    Rule("mlx/lib/cmake", "CMake files for C++ extensions"),
    Rule("numpy/_core/include", "headers for C extensions"),
    Rule("numpy/_core/lib", "static libraries for C extensions"),
    Rule("numpy/random/lib", "static libraries for C extensions"),
    Rule("numpy/f2py", "the Fortran compiler front end"),
    Rule("numpy/_core/*_tests.cpython-*", "extension modules for numpy's tests"),
    Rule("pyqtgraph/examples", "examples"),
    Rule("pyqtgraph/icons/peegee", "pyqtgraph's logo"),
    Rule("sympy/**/benchmarks", "speed tests"),
    Rule("sympy/parsing/autolev", "a reader of another program's language, with its examples"),
    Rule("PySide6/*.app", "Qt's developer tools", ("macos",)),
    Rule("PySide6/Qt/libexec", "Qt's developer tools"),
    Rule("PySide6/Qt/metatypes", "descriptions for Qt's developer tools"),
    Rule("PySide6/Qt/qml", "Qt Quick is not used"),
    Rule("PySide6/Qt/translations", "the window speaks English"),
    Rule("PySide6/QtExampleIcons.abi3.so", "example"),
    Rule("PySide6/doc", "documentation"),
    Rule("PySide6/glue", "for building bindings"),
    Rule("PySide6/include", "for building bindings"),
    Rule("PySide6/scripts", "Qt's developer tools"),
    Rule("PySide6/typesystems", "for building bindings"),
    Rule("PySide6/libpyside6qml.*", "Qt Quick is not used"),
    *(Rule(f"PySide6/{name}", "Qt's developer tools") for name in
      ("lrelease", "lupdate", "qmlformat", "qmllint", "qmlls", "svgtoqml")),
)  # fmt: skip

# Rules for packages that the project may stop or start to need: they may match nothing.
OPTIONAL_RULES = (
    Rule("pyarrow/include", "headers for C++ extensions"),
    Rule("pyarrow/src", "sources for C++ extensions"),
    Rule("pyarrow/*flight*", "remote procedure calls"),
    Rule("pyarrow/*_s3*", "cloud storage"),
    Rule("pyarrow/*_gcsfs*", "cloud storage"),
    Rule("pyarrow/*_azurefs*", "cloud storage"),
    Rule("pyarrow/*_hdfs*", "cloud storage"),
    Rule("pyarrow/*parquet_encryption*", "encrypted files"),
    Rule("pyarrow/*_cpp_tests*", "a package's own tests"),
    Rule("pyarrow/libarrow_python.dylib", "a second copy of the same library"),
    Rule("pyarrow/libarrow_python.*.*.*.dylib", "a third copy of the same library"),
    Rule("pyarrow/**/*.p[xy][xdi]", "sources for C++ extensions"),
    Rule("PySide6/Qt/resources", "Qt's web engine"),
    Rule("PySide6/*.pyi", "type stubs are for editors"),
)


def trim(site_packages: Path, platform: Platform) -> list[str]:
    """Removes what the rules name; returns the patterns of required rules that matched nothing."""
    idle = [rule.pattern for rule in RULES if platform in rule.platforms and not _apply(rule, site_packages)]
    for rule in OPTIONAL_RULES:
        _apply(rule, site_packages)
    _trim_qt(site_packages / "PySide6")
    return idle


def _apply(rule: Rule, site_packages: Path) -> bool:
    matches = sorted(site_packages.glob(rule.pattern), reverse=True)
    for path in matches:
        _remove(path)
    return bool(matches)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _trim_qt(pyside: Path) -> None:
    for binding in pyside.glob("Qt*.abi3.so"):
        if binding.name.split(".")[0].removeprefix("Qt") not in QT_BINDINGS:
            binding.unlink()
    for library in [*pyside.glob("Qt/lib/Qt*.framework"), *pyside.glob("Qt/lib/libQt6*.so*")]:
        if library.name.split(".")[0].removeprefix("libQt6").removeprefix("Qt") not in QT_MODULES:
            _remove(library)
    for plugins in pyside.glob("Qt/plugins/*"):
        if plugins.name not in QT_PLUGINS:
            _remove(plugins)
    # They need Qt modules that Essentials does not bring, or programs that no Mac has.
    for broken in ("imageformats/*qpdf*", "tls/*openssl*", "platforms/*minimal*", "platforms/*vnc*",
                   "platforms/*eglfs*", "platforms/*linuxfb*", "platforms/*vkkhr*",
                   "platforms/*wayland*", "platforminputcontexts/*virtualkeyboard*"):  # fmt: skip
        for path in pyside.glob(f"Qt/plugins/{broken}"):
            path.unlink()
