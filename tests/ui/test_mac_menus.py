"""What a Mac's menus promise: undo, find, import, reveal, full screen, help, and the window as it was left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QMenu, QSplitter
from pytestqt.qtbot import QtBot

from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from ui.form.draft_history import DraftHistory
from ui.frame.help_window import HelpWindow, help_matches, help_topics
from ui.frame.orders import run_results
from ui.frame.restoring import kept_looks
from ui.main_window import MainWindow
from ui.session import Session
from ui.settings import Settings
from ui.widgets.lists.finder import found_in

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)")

#: menu: what stands in it, besides its own
PROMISED = {
    "File": ("Open Folder…", "Open Recent", "Import Settings…", "Reveal Run in Finder", "Close Window"),
    "Edit": ("Undo", "Redo", "Cut", "Copy", "Paste", "Select All", "Find…"),
    "View": ("Enter Full Screen", "Settings…"),
    "Window": ("Minimize", "Zoom"),
    "Help": ("Search the Help…", "About Droid Tune"),
}


def menus(window: MainWindow) -> dict[str, QMenu]:
    return {menu.title(): menu for menu in window.menuBar().findChildren(QMenu)}


def action(window: MainWindow, menu: str, text: str) -> QAction:
    return next(one for one in menus(window)[menu].actions() if one.text() == text)


@pytest.mark.parametrize(("menu", "texts"), PROMISED.items())
def test_every_menu_holds_what_a_mac_has_there(window: MainWindow, menu: str, texts: tuple[str, ...]) -> None:
    said = [one.text() for one in menus(window)[menu].actions()]
    assert [text for text in texts if text not in said] == []


STANDARD = {
    ("File", "Open Folder…"): QKeySequence.StandardKey.Open,
    ("File", "Close Window"): QKeySequence.StandardKey.Close,
    ("File", "Quit Droid Tune"): QKeySequence.StandardKey.Quit,
    ("Edit", "Undo"): QKeySequence.StandardKey.Undo,
    ("Edit", "Redo"): QKeySequence.StandardKey.Redo,
    ("Edit", "Find…"): QKeySequence.StandardKey.Find,
    ("Edit", "Find Next"): QKeySequence.StandardKey.FindNext,
    ("View", "Enter Full Screen"): QKeySequence.StandardKey.FullScreen,
}


def test_standard_keys_do_what_they_do_everywhere(window: MainWindow) -> None:
    found = {place: action(window, *place).shortcut() for place in STANDARD}
    assert found == {place: QKeySequence(key) for place, key in STANDARD.items()}
    assert {"Ctrl+O", "Ctrl+Z", "Ctrl+F"} <= {key.toString() for key in found.values()}
    assert action(window, "Window", "Minimize").shortcut() == QKeySequence("Ctrl+M")


def test_cmd_comma_opens_the_settings(window: MainWindow) -> None:
    settings = action(window, "View", "Settings…")
    assert settings.shortcut() == QKeySequence("Ctrl+,")
    assert (
        settings.menuRole() == QAction.MenuRole.PreferencesRole
    )  # it stands in the application menu of a Mac
    window.show_pane("data")
    settings.trigger()
    assert window.current_key() == "settings"


def test_recent_folders_are_listed_the_newest_first_and_opened(window: MainWindow, tmp_path: Path) -> None:
    recent = next(one for one in menus(window)["File"].findChildren(QMenu) if one.title() == "Open Recent")
    recent.aboutToShow.emit()
    assert [(one.text(), one.isEnabled()) for one in recent.actions()] == [("Nothing yet", False)]
    folders = [str(tmp_path / name) for name in ("older", "newer")]
    for folder in folders:
        Path(folder).mkdir()
        (Path(folder) / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
        window.open_path(folder)
        window.session.settings.remember_data(folder)
    recent.aboutToShow.emit()
    assert [one.text() for one in recent.actions()] == folders[::-1]
    recent.actions()[1].trigger()
    assert window.session.draft.data == folders[0]


def test_no_key_stands_twice(window: MainWindow) -> None:
    keys = [
        one.shortcut().toString()
        for menu in menus(window).values()
        for one in menu.actions()
        if one.shortcut()
    ]
    pressed = [key for key in keys if key]
    assert sorted(set(pressed)) == sorted(pressed)


# --- undo -----------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_changes_of_the_form_are_taken_back_and_made_again(session: Session) -> None:
    clock = Clock()
    history = DraftHistory(session, session, clock)
    for value, moment in ((1, 0.0), (10, 0.3), (100, 0.6)):  # typed: one change
        clock.now = moment
        session.draft.set("training.iterations", value)
        history.look()
    clock.now = 9.0
    session.draft.set("method.group_size", 3)
    history.look()
    clock.now = 20.0
    session.draft.method = "sft"
    history.undo()
    assert (session.draft.method, session.draft.value("method.group_size")) == ("grpo", 3)
    history.undo()
    assert session.draft.changes() == ["training.iterations"]
    history.redo()
    assert session.draft.value("method.group_size") == 3
    history.undo()
    history.undo()
    assert session.draft.changes() == []
    assert not history.can_undo
    session.draft.set("training.iterations", 7)
    assert not history.can_redo  # another way was taken


def test_undo_in_the_menu_takes_back_dropped_data(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    window.open_path(str(tmp_path))
    assert window.session.draft.data == str(tmp_path)
    window.setFocus()
    action(window, "Edit", "Undo").trigger()
    assert window.session.draft.data == "sample"
    action(window, "Edit", "Redo").trigger()
    assert window.session.draft.data == str(tmp_path)


# --- windows of their own ---------------------------------------------------------------------------------------------


def test_close_means_the_window_in_front(window: MainWindow, qtbot: QtBot) -> None:
    """On a Mac the one menu bar serves all windows: Cmd-W over the help closed the application."""
    for _ in range(2):
        action(window, "Help", "Search the Help…").trigger()
        beside = next(one for one in window.findChildren(HelpWindow) if one.isVisible())
        beside.activateWindow()
        qtbot.waitUntil(lambda beside=beside: QApplication.activeWindow() is beside)
        action(window, "File", "Close Window").trigger()
        assert not beside.isVisible()
        assert window.isVisible()


def test_the_key_of_close_closes_a_window_without_a_menu_bar(window: MainWindow, qtbot: QtBot) -> None:
    beside = HelpWindow(window)
    beside.show()
    beside.activateWindow()
    qtbot.waitUntil(beside.isActiveWindow)
    qtbot.keyClick(beside, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert not beside.isVisible()
    assert window.isVisible()


# --- find -----------------------------------------------------------------------------------------------------------


def test_find_goes_from_place_to_place(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("settings")
    action(window, "Edit", "Find…").trigger()
    bar = window._find_bar
    qtbot.keyClicks(bar.field, "data")
    places = [place.widget for place in found_in(window.pane("settings"), "data")]
    assert len(places) > 1
    assert bar.said.text() == f"1 of {len(places)} places"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.said.text().startswith("2 of")
    marked = [one for one in window.pane("settings").findChildren(QLabel) if one.property("found")]
    assert marked == [one for one in places[1:2] if isinstance(one, QLabel)]
    qtbot.keyClicks(bar.field, "nothing says this")
    assert bar.said.text() == "Not found"
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()


# --- help -----------------------------------------------------------------------------------------------------------


def test_the_help_has_a_text_for_each_topic_and_finds_it(window: MainWindow, qtbot: QtBot) -> None:
    assert help_topics()["dr_grpo"] == "Dr. GRPO"
    assert help_matches("dr. grpo")[0] == "dr_grpo"
    assert help_matches("zyxw") == []
    action(window, "Help", "Dr. GRPO").trigger()
    shown = window.findChild(HelpWindow)
    assert shown is not None
    assert shown.text.toPlainText().strip()
    shown.field.setText("group sequence")
    assert "GSPO" in [shown.topics.item(place).text() for place in range(shown.topics.count())]
    shown.field.setText("zyxw")
    assert "Nothing in the help" in shown.text.toPlainText()
    shown.close()


# --- reveal, full screen --------------------------------------------------------------------------------------------


def test_the_shown_run_is_revealed(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, data_home: Path, qtbot: QtBot
) -> None:
    revealed: list[Path] = []
    monkeypatch.setattr(run_results, "reveal", revealed.append)
    action(window, "File", "Reveal Run in Finder").trigger()
    assert revealed == []  # none is shown: said in the window
    run = write_run(data_home / "runs" / "one", complete(3))
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(run)
    action(window, "File", "Reveal Run in Finder").trigger()
    assert revealed == [run]


def test_full_screen_and_back(window: MainWindow) -> None:
    chosen = action(window, "View", "Enter Full Screen")
    chosen.trigger()
    assert window.isFullScreen()
    assert chosen.text() == "Exit Full Screen"
    chosen.trigger()
    assert not window.isFullScreen()


# --- as it was left -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_window_comes_back_as_it_was_left(
    open_window: Callable[[Session], MainWindow], session: Session, data_home: Path, qtbot: QtBot
) -> None:
    older = write_run(data_home / "runs" / "older", complete(3))
    write_run(data_home / "runs" / "newer", complete(3))
    window = open_window(session)
    with qtbot.waitSignal(session.shown_changed):
        session.show_run(older)
    window.show_pane("runs")
    split = window.pane("runs").findChildren(QSplitter)[0]
    split.setSizes([420, 400])
    window.show_pane("playground")
    longest = next(
        one
        for one in window.pane("playground").findChildren(QComboBox)
        if one.accessibleName() == "Longest answer"
    )
    longest.setCurrentIndex(3)
    window.close()
    again = Session(FakeEngine(), Settings(**vars(session.settings)), session)
    other = open_window(again)
    with qtbot.waitSignal(again.shown_changed):
        again.refresh_runs()
    assert again.shown_folder == older
    assert other.pane("runs").findChildren(QSplitter)[0].saveState() == split.saveState()
    assert kept_looks(other.pane("playground"))["choice Longest answer"] == str(longest.currentData())


def test_damaged_looks_change_nothing(open_window: Callable[[Session], MainWindow], session: Session) -> None:
    session.settings.looks = {"runs": {"splitter 0": "no base64!"}, "playground": 3}
    window = open_window(session)
    for key in ("runs", "playground"):
        window.show_pane(key)
    assert isinstance(window.pane("runs").findChild(QLineEdit), QLineEdit)
