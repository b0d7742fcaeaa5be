"""A bundle in small: everything that check-app looks for, in a few hundred kilobytes."""

from __future__ import annotations

from pathlib import Path

from icnsutil import IcnsFile

from appbundle import info_plist
from appbundle.components import Component, components_json
from appbundle.distributions import rewrite_records
from appbundle.icon import SIZES
from appbundle.layout import Layout
from tests.packaging.tiny_macho import EXECUTE, Spec, macho

SYSTEM = "/usr/lib/libSystem.B.dylib"
QT_CORE = "@rpath/QtCore.framework/Versions/A/QtCore"


def make_bundle(root: Path) -> Layout:
    """A bundle without a fault."""
    layout = Layout(root, "macos")
    _write(layout.executable, macho(Spec(kind=EXECUTE)), mode=0o755)
    _write(layout.python_library, macho(Spec(exports=("_Py_Initialize", "_PyList_New"))))
    _write(layout.info_plist, info_plist.encoded(info_plist.info_plist("0.1.0")))
    _add_packages(layout.site_packages)
    _add_resources(layout)
    return layout


def _add_packages(site_packages: Path) -> None:
    mlx = site_packages / "mlx"
    _write(mlx / "lib" / "libmlx.dylib", macho(Spec(exports=("_mlx_add",))))
    _write(mlx / "lib" / "mlx.metallib", b"MTLB" + bytes(16))
    core = Spec(
        libraries=(SYSTEM, "@rpath/libmlx.dylib"),
        rpaths=("@loader_path/lib",),
        imports=(("_malloc", 1), ("_mlx_add", 2), ("_PyList_New", 0xFE)),
    )
    _write(mlx / "core.so", macho(core))
    framework = site_packages / "PySide6" / "Qt" / "lib" / "QtCore.framework"
    _write(framework / "Versions" / "A" / "QtCore", macho(Spec(exports=("_qVersion",))))
    (framework / "Versions" / "Current").symlink_to("A")
    (framework / "QtCore").symlink_to("Versions/Current/QtCore")
    qt = Spec(libraries=(SYSTEM, QT_CORE), rpaths=("@loader_path/Qt/lib",), imports=(("_qVersion", 2),))
    _write(site_packages / "PySide6" / "QtCore.abi3.so", macho(qt))
    _write(site_packages / "droid_tune" / "__init__.py", b'__version__ = "0.1.0"\n')
    _add_metadata(
        site_packages, "droid-tune", "mlx>=0.1; sys_platform == 'darwin'", ("droid_tune/__init__.py",)
    )
    _add_metadata(site_packages, "mlx", "", ("mlx/core.so", "mlx/lib/libmlx.dylib", "mlx/lib/mlx.metallib"))
    rewrite_records(site_packages)


def _add_metadata(site_packages: Path, name: str, requires: str, files: tuple[str, ...]) -> None:
    folder = f"{name.replace('-', '_')}-0.1.0.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.1.0\nLicense-Expression: MIT\n{needs}"
    _write(site_packages / folder / "METADATA", text.encode())
    listed = (*files, f"{folder}/METADATA", f"{folder}/RECORD")
    _write(site_packages / folder / "RECORD", "".join(f"{file},,\n" for file in listed).encode())


def _add_resources(layout: Layout) -> None:
    _write(layout.project_resources / "starter" / "config.json", b"{}")
    _write(layout.project_resources / "tools-starter" / "config.json", b"{}")
    _write(layout.project_resources / "sample-data" / "train.jsonl", b"{}\n")
    _write(layout.project_resources / "icons" / "app.svg", b"<svg/>")
    parts = [Component(name, "0.1.0", "MIT", ()) for name in ("droid-tune", "mlx")]
    _write(layout.third_party, b"MIT\n")
    _write(layout.components, components_json(parts, {}).encode())
    icon = IcnsFile()
    for key in SIZES:
        icon.add_media(key, data=b"\x89PNG\r\n\x1a\n", force=True)
    icon.write(str(layout.icon))


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
