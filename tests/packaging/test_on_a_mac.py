"""What only a Mac can say; skipped elsewhere. `packaging/MAC-CHECKLIST.md` lists what has run and what has not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appbundle.layout import MINIMUM_MACOS, bundle_folder

pytestmark = [pytest.mark.macos, pytest.mark.skipif(sys.platform != "darwin", reason="needs macOS")]


@pytest.fixture
def app(project_root: Path) -> Path:
    built = bundle_folder(project_root / "dist", "macos")
    if not built.is_dir():
        pytest.skip("dist/Droid Tune.app is not built; run packaging/build-app")
    return built


def test_apples_own_tool_reads_our_property_lists(packaging_dir: Path) -> None:
    subprocess.run(["plutil", "-lint", packaging_dir / "entitlements.plist"], check=True)


def test_the_dock_takes_the_menu() -> None:
    from PySide6.QtWidgets import QApplication, QMenu

    from ui.mac.dock import show_in_dock

    application = QApplication.instance() or QApplication([])
    assert application is not None
    assert show_in_dock(QMenu())


def test_the_signatures_of_the_assembled_bundle_hold_before_any_signing(app: Path) -> None:
    """zig signs the launcher ad hoc, and a cut slice keeps its own signature."""
    for library in (app / "Contents" / "MacOS" / "droid-tune", *sorted(app.rglob("*.dylib"))):
        subprocess.run(["codesign", "--verify", library], check=True)


def test_the_minimum_system_is_the_launchers(app: Path) -> None:
    said = subprocess.run(
        ["vtool", "-show-build", app / "Contents" / "MacOS" / "droid-tune"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"minos {MINIMUM_MACOS}" in said.stdout


@pytest.mark.metal
def test_metal_works_from_inside_the_bundle(app: Path) -> None:
    question = "import mlx.core as mx; print(mx.metal.is_available(), mx.sum(mx.ones((64, 64)) @ mx.ones((64, 64))).item())"
    said = subprocess.run(
        [app / "Contents" / "MacOS" / "droid-tune", "-c", question],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["True", "262144.0"]


@pytest.mark.metal
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_smoke_test_passes(app: Path, packaging_dir: Path) -> None:
    subprocess.run([packaging_dir / "smoke-test", app], check=True)
