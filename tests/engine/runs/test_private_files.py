"""What people teach their models is their own: files 0600, folders 0700, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from droid_tune.paths import private_folder
from tests.engine.train.conftest import tiny, train
from ui.settings import Settings, save_settings


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): oct(one.stat().st_mode & 0o777) for one in folder.rglob("*")}


def expected(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): "0o700" if one.is_dir() else "0o600" for one in folder.rglob("*")}


def test_everything_of_a_run_is_its_owners(umask: int, tmp_path: Path) -> None:
    finished, _ = train(tiny(training={"iterations": 1}), tmp_path / "runs" / "one")
    assert finished.outcome == "completed"
    assert "runs/one/checkpoints/step-000001/optimizer.safetensors" in modes(tmp_path)
    assert modes(tmp_path) == expected(tmp_path)


def test_the_settings_of_the_window_are_their_owners(umask: int, tmp_path: Path) -> None:
    save_settings(Settings(), tmp_path / "home" / "settings.json")
    assert modes(tmp_path) == {"home": "0o700", "home/settings.json": "0o600"}


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    private_folder(shared / "run")
    assert oct(shared.stat().st_mode & 0o777) == "0o755"
