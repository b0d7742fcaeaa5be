"""A run from elsewhere that reaches for code is shown and asked about before it goes on."""

from __future__ import annotations

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
    RunPaths(folder).config.write_text(dump_yaml(resolve({"method": "grpo", "rewards": [reward]})))
    window = open_window(session)
    window.resume(folder)
    assert not session.training
    said = [bar.text for bar in window.findChildren(NoticeBar) if bar.isVisible()]
    assert said == ["“theirs” was not made here, and it runs the Python file /their/reward.py."]
    (allow,) = [one for one in window.findChildren(QPushButton) if one.text() == "Allow and Resume"]
    qtbot.mouseClick(allow, Qt.MouseButton.LeftButton)
    assert session.training
    qtbot.waitUntil(lambda: not session.training, timeout=20_000)
    assert [one.folder for one in engine.resumed] == [folder]
    window.resume(folder)
    assert session.training, "asked once"
    qtbot.waitUntil(lambda: not session.training, timeout=20_000)
