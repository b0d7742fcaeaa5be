"""What the names in a config mean on this computer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from droid_tune.errors import UserError
from droid_tune.paths import (
    BUNDLED_MODELS,
    HOME_VARIABLE,
    bundled_model_dir,
    cache_dir,
    data_dir,
    data_path,
    log_dir,
    sample_data_dir,
    settings_file,
    starter_model_dir,
    tools_file,
    tools_starter_dir,
    user_path,
)


def test_data_is_the_bundled_sample_or_a_path_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert data_path("sample") == sample_data_dir()
    assert data_path("tools-sample").parent == tools_starter_dir()
    assert data_path("~/rows") == Path("/home/ada/rows")
    assert data_path("rows/train.jsonl") == Path("rows/train.jsonl")


def test_the_bundled_tools_have_a_name_and_others_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert tools_file("shop") == tools_starter_dir() / "shop.py"
    assert tools_file("~/shop.py") == Path("/home/ada/shop.py")


def test_bundled_models_are_folders_and_no_other_name_is() -> None:
    assert [bundled_model_dir(name) for name in BUNDLED_MODELS] == [starter_model_dir(), tools_starter_dir()]
    assert bundled_model_dir("./starter") is None


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        (
            MacOS,
            (
                "Library/Application Support/Droid Tune",
                "Library/Caches/Droid Tune",
                "Library/Logs/Droid Tune",
            ),
        ),
        (Unix, (".local/share/Droid Tune", ".cache/Droid Tune", ".local/state/Droid Tune/log")),
    ],
)
def test_files_lie_where_a_mac_and_where_linux_have_them(
    kind: type[PlatformDirsABC], places: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr("platformdirs.PlatformDirs", kind)
    assert (data_dir(), cache_dir(), log_dir()) == tuple(Path("/home/ada") / place for place in places)
    assert settings_file() == data_dir() / "settings.json"


@pytest.mark.parametrize(
    "name", ["x" * 300, "a/" * 3000, "a\0b"], ids=["long name", "long path", "zero byte"]
)
def test_a_path_that_cannot_be_one_is_a_sentence(name: str) -> None:
    with pytest.raises(UserError, match=r"^The path '.{3,90}' cannot be used \(.+\)\.$"):
        user_path(name)


def test_a_path_need_not_be_there_and_its_user_neither() -> None:
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert user_path("~/not/there") == Path.home() / "not" / "there"


def test_a_folder_that_may_not_be_entered_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(UserError, match="Permission denied"):
        user_path("/others/secret")
