"""A run from elsewhere that reaches for code is shown and asked about before it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from droid_tune.config import dump_yaml, resolve
from droid_tune.paths import RunPaths
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import recorded, write_run
from ui.main_window import MainWindow
from ui.session import Session
from ui.widgets.notice import NoticeBar


def test_a_run_from_elsewhere_goes_on_once_the_person_allowed_it(
    session: Session,
    engine: FakeEngine,
    open_window: Callable[[Session], MainWindow],
    data_home: Path,
    qtbot: QtBot,
) -> None:
    folder = write_run(data_home / "runs" / "theirs", recorded(60, until=30), state="stopped")
    reward = {"type": "user_file", "path": "/their/reward.py"}
    config = resolve({"method": "grpo", "rewards": [reward]})
    RunPaths(folder).config.write_text(dump_yaml(config))
    RunPaths(folder).identity.write_text(json.dumps({"settings": config.model_dump(mode="json")}))
    window = open_window(session)
    window.resume(folder)
    assert not session.training
    said = [bar.text for bar in window.findChildren(NoticeBar) if bar.isVisible()]
    assert said == ["“theirs” was not made here, and it runs the Python file /their/reward.py."]
    (allow,) = [one for one in window.findChildren(QPushButton) if one.text() == "Allow and Resume"]
    qtbot.mouseClick(allow, Qt.MouseButton.LeftButton)
    assert session.training
    assert not allow.isVisible(), "the question is answered"
    qtbot.waitUntil(lambda: not session.training, timeout=20_000)
    assert [one.folder for one in engine.resumed] == [folder]
    window.resume(folder)
    assert session.training, "asked once"
    qtbot.waitUntil(lambda: not session.training, timeout=20_000)


def test_settings_from_a_file_that_bring_code_are_imported_once_allowed(
    session: Session, open_window: Callable[[Session], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "reward.py").write_text("def reward(completion, row):\n    return 1\n")
    file = tmp_path / "run.yaml"
    file.write_text("method: grpo\nrewards: [{type: user_file, path: reward.py}]\n")
    window = open_window(session)
    before = session.draft.to_values()
    window.import_config(file)
    said = [bar.text for bar in window.findChildren(NoticeBar) if bar.isVisible()]
    reward = tmp_path / "reward.py"
    assert f"run.yaml reaches for more than model and data: it runs the Python file {reward}." in said
    assert session.draft.to_values() == before
    (allow,) = [one for one in window.findChildren(QPushButton) if one.text() == "Allow and Import"]
    qtbot.mouseClick(allow, Qt.MouseButton.LeftButton)
    assert [one["type"] for one in session.draft.rewards] == ["user_file"]
    said = [bar.text for bar in window.findChildren(NoticeBar) if bar.isVisible()]
    assert said == ["The settings of run.yaml were imported."], "the question is answered"
    session.import_config(file)
    assert len([one for one in window.findChildren(QPushButton) if one.text() == "Allow and Import"]) <= 1
