"""A switch between light and dark: what was there looks as if it had been made so, and nothing is laid out anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QThreadPool
from PySide6.QtGui import QImage, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QSlider,
    QSpinBox,
    QTableView,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.setup.workbench.code_editor import CodeEditor
from ui.panes.table import PANES_BY_KEY
from ui.theme import Appearance, Theme
from ui.widgets.basics import button, column, frame, label, scrolling
from ui.widgets.restyling import restyle
from ui.widgets.segmented import Segmented
from ui.widgets.state_chip import Chip
from ui.widgets.texts.text_page import TextPage


@pytest.fixture
def light(theme: Theme) -> Iterator[Theme]:
    theme.apply("light")
    yield theme
    theme.apply("light")


def page_of_everything() -> QWidget:
    """One of each kind of widget that the style sheet knows."""
    page = QWidget()
    page.setProperty("role", "page")
    page.setFixedSize(420, 860)
    lines = column(page, margins=12)
    for role in ("title", "heading", "secondary", "small", "caption", "fault"):
        lines.addWidget(label(f"A {role}", role, parent=page))
    for role in ("", "primary", "quiet", "compact-danger", "segment"):
        lines.addWidget(
            button(role or "plain", role, parent=page, icon="compare" if role == "primary" else "")
        )
    disabled = button("disabled", parent=page)
    disabled.setEnabled(False)
    card = frame("card", page)
    column(card, margins=8).addWidget(Chip(card, "Chip", "good", "good_soft"))
    combo, text, table = QComboBox(page), TextPage("Text", page), QTableView(page)
    combo.addItems(["one", "two"])
    text.show_text("a page of text")
    model = QStandardItemModel(table)
    model.appendRow([QStandardItem("cell")])
    table.setModel(model)
    table.setFixedHeight(60)
    editor = CodeEditor(page)
    editor.setPlainText("def f(): ...")
    editor.setFixedHeight(40)
    bar = QProgressBar(page)
    bar.setValue(40)
    inside = QWidget(page)
    column(inside).addWidget(QLineEdit("line", inside))
    segments = Segmented((("a", "A"), ("b", "B")), page, "Which")
    box, slider = QCheckBox("box", page), QSlider(Qt.Orientation.Horizontal, page)
    box.setChecked(True)
    others = (disabled, card, combo, QSpinBox(page), text, table, editor, bar, segments, box, slider)
    for one in (*others, scrolling(inside, page)):
        lines.addWidget(one)
    for one in page.findChildren(QWidget):
        one.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # whichever window has the keyboard
    return page


class Told(QObject):
    """Who is told that its style is another one. The editor has one of its own, which Qt touches."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.count = 0
        (editor,) = page.findChildren(CodeEditor)
        for one in set(page.findChildren(QWidget)) - {editor, *editor.findChildren(QWidget)}:
            one.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.StyleChange
        return False


def test_what_was_there_before_a_switch_looks_as_what_is_made_after_it(qtbot: QtBot, light: Theme) -> None:
    before = page_of_everything()
    qtbot.addWidget(before)
    before.show()
    QCoreApplication.processEvents()
    bright = before.grab().toImage()
    told = Told(before)
    light.apply("dark")
    assert told.count == 0
    QCoreApplication.processEvents()
    switched = before.grab().toImage()
    after = page_of_everything()
    qtbot.addWidget(after)
    after.show()
    QCoreApplication.processEvents()
    assert switched == after.grab().toImage() != bright
    light.apply("light")
    QCoreApplication.processEvents()
    assert before.grab().toImage() == bright
    assert not any(one.testAttribute(Qt.WidgetAttribute.WA_SetStyle) for one in before.findChildren(QWidget))


def picture_of(page: QWidget, qtbot: QtBot) -> QImage:
    """Once all of it is drawn."""
    seen = QImage()
    while seen != (now := page.grab().toImage()):
        seen = now
        for _ in range(3):
            QThreadPool.globalInstance().waitForDone()
            qtbot.wait(100)
    return seen


def test_panes_out_of_sight_take_the_new_look_when_they_are_shown(
    light: Theme, window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "run", complete(30))
    window.session.show_run(folder)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    seen: dict[str, QImage] = {}
    for key in (*PANES_BY_KEY, *PANES_BY_KEY):  # the second time all is there
        window.show_pane(key)
        bright = picture_of(window.pane(key), qtbot)
        light.apply("dark")
        seen[key] = picture_of(window.pane(key), qtbot)
        light.apply("light")
        assert bright != seen[key], key
    turns: tuple[tuple[str, Appearance], ...] = (
        ("settings", "dark"),
        ("data", "light"),
        ("settings", "dark"),
    )
    for place, looks in turns:
        window.show_pane(place)
        light.apply(looks)
    for key in PANES_BY_KEY:
        window.show_pane(key)
        assert picture_of(window.pane(key), qtbot) == seen[key], key


def test_what_changes_its_look_in_a_pane_out_of_sight_wears_it_in_the_new_style(
    light: Theme, window: MainWindow
) -> None:
    window.show_pane("data")
    page = window.pane("data")
    told = label("Told", "fault", parent=page)
    told.show()
    told.ensurePolished()
    window.show_pane("setup")
    light.apply("dark")
    restyle(told, "role", "secondary")
    light.apply("light")
    restyle(told, "role", "fault")
    light.apply("dark")
    window.show_pane("data")
    assert told.palette().windowText().color() == light.color("bad")
    restyle(told, "role", "secondary")
    assert told.palette().windowText().color() == light.color("secondary")
