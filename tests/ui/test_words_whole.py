"""Sentences are read whole in a small window, and without marks of code."""

from __future__ import annotations

from functools import partial

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from tests.ui.picture_scenes import SCENES, pane_of
from ui.main_window import MainWindow
from ui.panes.table import PANES_BY_KEY
from ui.widgets.basics import column, label, prose, row
from ui.widgets.quiet_combo import QuietCombo

# what Qt's off-screen platform says of each second window
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def cut(where: QWidget) -> list[str]:
    """The texts of labels that are lower, or narrower, than their words."""
    return [
        one.text()
        for one in where.findChildren(QLabel)
        if one.isVisible()
        and one.text()
        and one.wordWrap()
        and one.height() < one.heightForWidth(one.width())
    ]


def marked(where: QWidget) -> list[str]:
    return [one.text() for one in where.findChildren(QLabel) if one.isVisible() and "`" in one.text()]


def test_a_wrapped_label_is_as_tall_as_its_words_in_any_layout(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    lines = column(page)
    beside = row()
    beside.addWidget(label("word " * 40, parent=page, wrap=True), 1)
    beside.addWidget(label("Beside it", parent=page))
    lines.addLayout(beside)
    lines.addWidget(prose("word " * 80, "small", parent=page))
    lines.addStretch(1)
    for width in (900, 300, 140):
        page.resize(width, 900)
        page.show()
        qtbot.waitUntil(lambda: page.width() >= 140 and not cut(page))


def test_what_is_named_in_marks_of_code_stands_in_quotes(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    said = prose("`beta` 3 is too large; see `--set`.", parent=page)
    assert said.text() == "“beta” 3 is too large; see “--set”."
    said.setText("5 ` 6")
    assert said.text() == "5 ` 6"
    assert label("`mine`", parent=page).text() == "`mine`"  # a text of the user's


def test_no_sentence_of_a_pane_is_cut_in_a_small_window(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1024, 640)
    window.show()
    for turn in (*(partial(pane_of, key=key) for key in PANES_BY_KEY), SCENES["setup-openenv"]):
        turn(window)
        qtbot.waitUntil(lambda: not cut(window))
        assert marked(window) == []


def test_a_choice_without_room_ends_in_dots_and_one_with_room_does_not(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    combo = QuietCombo(page)
    combo.addItem("GRPO starter · step 30")
    combo.resize(combo.sizeHint())
    wide = combo.fontMetrics().horizontalAdvance(combo.currentText())
    assert combo.room() >= wide
    combo.resize(combo.width() - 4, combo.height())
    assert combo.room() < wide
