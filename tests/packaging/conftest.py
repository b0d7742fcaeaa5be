"""The builder's modules lie in `packaging/appbundle`; the folder `packaging` itself is no package (PyPI has one)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
sys.path.insert(0, str(PACKAGING))
for library in ("lief", "icnsutil", "resvg_py"):
    pytest.importorskip(library, reason="the bundle's tests need the project's dev extra")


@pytest.fixture(autouse=True)
def build_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, so that no test sees or fills the user's."""
    folder = tmp_path_factory.mktemp("build-cache")
    monkeypatch.setenv("DROID_TUNE_BUILD_CACHE", str(folder))
    return folder


@pytest.fixture
def packaging_dir() -> Path:
    return PACKAGING
