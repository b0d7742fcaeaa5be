"""What is left out of the bundle's site-packages, and why it may be.

Wheels are otherwise untouched. What transformers loads of its models stays, all of it: any may be the user's model.
Each rule is a pattern relative to site-packages and should match something; the builder names those that do not, so
that a rule does not outlive its reason.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from appbundle.layout import Platform

# The Qt modules that the window uses, and those that they and the platform plugins link against.
QT_MODULES: dict[Platform, tuple[str, ...]] = {
    "macos": ("Core", "DBus", "Gui", "Svg", "Widgets"),
    "linux": ("Core", "DBus", "Gui", "OpenGL", "Svg", "Widgets", "XcbQpa"),
}
QT_BINDINGS = ("Core", "Gui", "Svg", "Widgets")
# pyqtgraph imports QtOpenGL and QtOpenGLWidgets whether or not it draws with them.
STANDINS = Path(__file__).with_name("standins")
QT_PLUGINS = (
    *("iconengines/libqsvgicon", "imageformats/libqjpeg", "imageformats/libqsvg", "styles/libqmacstyle"),
    *("platforms/libqcocoa", "platforms/libqoffscreen", "platforms/libqxcb"),
    *("platforminputcontexts/libcompose", "platforminputcontexts/libibus", "xcbglintegrations/libqxcb"),
)


@dataclass(frozen=True)
class Rule:
    """Files or folders that match `pattern` are removed, except those of a name in `keep`."""

    pattern: str
    why: str
    platforms: tuple[Platform, ...] = ("macos", "linux")
    keep: tuple[str, ...] = ()


RULES = (
    Rule("**/*.pyi", "type stubs are for editors"),
    Rule("**/tests", "a package's own tests"),
    Rule("**/conftest.py", "a package's own tests"),
    Rule("transformers/testing_utils.py", "a package's own tests; it holds a token of its authors"),
    Rule("**/__pycache__", "byte code of whatever Python the authors had"),
    Rule("*.dist-info/sboms", "bills of materials for scanners; the licences are kept"),
    Rule("mlx/include", "headers for C++ extensions; MLX's own kernels are compiled from text inside libmlx"),
    Rule("mlx/lib/libjaccl.dylib", "RDMA between Macs, opened only when asked for; the ring stays", ("macos",)),
    Rule("mlx/share", "CMake files for C++ extensions"),
    Rule("mlx/lib/cmake", "CMake files for C++ extensions"),
    Rule("resources/screenshots", "for the README"),
    Rule("numpy/_core/include", "headers for C extensions"),
    Rule("numpy/_core/lib", "static libraries for C extensions"),
    Rule("numpy/random/lib", "static libraries for C extensions"),
    Rule("numpy/f2py", "the Fortran compiler front end"),
    Rule("numpy/_core/*_tests.cpython-*", "extension modules for numpy's tests"),
    Rule("pyqtgraph/examples", "examples"),
    Rule("pyqtgraph/icons/peegee", "pyqtgraph's logo"),
    Rule("latex2sympy2_extended/gen/antlr4_9_3", "for another version of antlr than the one installed"),
    Rule("latex2sympy2_extended/gen/antlr4_11_0", "for another version of antlr than the one installed"),
    Rule(
        "pygments/lexers/*.py",
        "colouring of languages; rich, which brings pygments, colours Python in error reports at most",
        keep=("__init__.py", "_mapping.py", "python.py", "special.py", "data.py", "shell.py"),
    ),
    Rule("rapidfuzz/*_cpp*.so", "fast paths of functions that the rewards do not use; each has one in Python"),
    Rule("transformers/cli", "command line"),
    Rule("transformers/pipelines", "ready-made uses of PyTorch models"),
    Rule("huggingface_hub/cli", "command line"),
    Rule("sentencepiece/package_data", "rules for making a vocabulary, not for using one"),
    Rule("transformers/exporters", "export to other run times"),
    Rule("transformers/models/*/modular_*.py", "what the models' files are generated from; nothing imports it"),
    *(
        Rule(f"sympy/physics/{field}", "a field of physics; units stay, `simplify` asks for them")
        for field in ("biomechanics", "continuum_mechanics", "control", "hep", "mechanics", "optics")
    ),
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


def trim(site_packages: Path, platform: Platform) -> list[str]:
    """Removes what the rules name; returns the patterns that matched nothing."""
    idle = [rule.pattern for rule in RULES if platform in rule.platforms and not _apply(rule, site_packages)]
    _trim_qt(site_packages / "PySide6", platform)
    return idle


def _apply(rule: Rule, site_packages: Path) -> bool:
    matches = sorted(
        (path for path in site_packages.glob(rule.pattern) if path.name not in rule.keep), reverse=True
    )
    for path in matches:
        _remove(path)
    return bool(matches)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _trim_qt(pyside: Path, platform: Platform) -> None:
    for binding in pyside.glob("Qt*.abi3.so"):
        if binding.name.split(".")[0].removeprefix("Qt") not in QT_BINDINGS:
            binding.unlink()
    for library in [*pyside.glob("Qt/lib/Qt*.framework"), *pyside.glob("Qt/lib/libQt6*.so*")]:
        if library.name.split(".")[0].removeprefix("libQt6").removeprefix("Qt") not in QT_MODULES[platform]:
            _remove(library)
    for standin in sorted(STANDINS.glob("*.py")):
        shutil.copyfile(standin, pyside / standin.name)
    for plugin in pyside.glob("Qt/plugins/*/*"):
        if not plugin.relative_to(pyside / "Qt" / "plugins").as_posix().startswith(QT_PLUGINS):
            _remove(plugin)
    for folder in pyside.glob("Qt/plugins/*"):
        if not any(folder.iterdir()):
            folder.rmdir()
