"""The sheet that asks before a changed run goes on: it names the run, fits a small screen, and Return loses nothing."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from ui.frame.changes_sheet import ChangesSheet
from ui.frame.questions.closing_sheet import ClosingSheet
from ui.main_window import MainWindow

LONG = "`optimizer.learning_rate` was 0.0001 and is 0.0003 now, which is said at such length that it takes two lines."


def labels(sheet: QWidget) -> list[QLabel]:
    return [one for one in sheet.findChildren(QLabel) if one.isVisible()]


@pytest.mark.parametrize("count", [1, 4, 40])
def test_the_sheet_is_as_high_as_its_words_and_no_higher_than_a_small_screen(
    count: int, window: MainWindow, qtbot: QtBot
) -> None:
    """It was twice as high, with gaps between the sentences, and had no bound."""
    sheet = ChangesSheet("brave run", [LONG] * count, window)
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    assert sheet.height() < 600
    for one in labels(sheet):
        assert one.height() <= one.heightForWidth(one.width()) + 4, one.text()
    assert sum("learning_rate" in one.text() for one in labels(sheet)) == count
    sheet.close()


def test_the_question_of_a_window_that_closes_has_no_gaps(window: MainWindow, qtbot: QtBot) -> None:
    sheet = ClosingSheet(window)
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    for one in labels(sheet):
        assert one.height() <= one.heightForWidth(one.width()) + 4, one.text()
    sheet.close()


def test_return_goes_on_as_a_new_run(window: MainWindow, qtbot: QtBot) -> None:
    """The blue button was another than the one that Return pressed."""
    sheet = ChangesSheet("brave run", [LONG], window)
    chosen: list[str] = []
    sheet.go_on.connect(lambda: chosen.append("go on"))
    sheet.branch_off.connect(lambda: chosen.append("branch"))
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    primary = [one for one in sheet.findChildren(QPushButton) if one.property("role") == "primary"]
    assert [(one.text(), one.isDefault()) for one in primary] == [("Go On as a New Run", True)]
    qtbot.keyClick(sheet, Qt.Key.Key_Return)
    assert chosen == ["branch"]
