"""The sheet that asks before a changed run goes on: it names the run, fits a small screen, and Return loses nothing."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from ui.frame.changes_sheet import ChangesSheet
from ui.frame.questions.closing_sheet import ClosingSheet
from ui.main_window import MainWindow

LONG = "`optimizer.learning_rate` was 0.0001 and is 0.0003 now, which is said at such length that it takes two lines."


def labels(sheet: QWidget) -> list[QLabel]:
    return [one for one in sheet.findChildren(QLabel) if one.isVisible()]


TIGHT = (
    "The checkpoint step-000002 is damaged (adapters.safetensors is damaged (its checksum differs)); the run would go on "
    "from the older one of step 1."
)


def test_words_that_just_fit_are_seen_whole(window: MainWindow, qtbot: QtBot) -> None:
    """A scroll bar came, made them narrower and stayed: the last line could not be seen."""
    sheet = ChangesSheet("brave run", [TIGHT], window)
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    bar = sheet.findChildren(QScrollArea)[0].verticalScrollBar()
    assert (bar.isVisible(), bar.maximum()) == (False, 0)
    sheet.close()


@pytest.mark.parametrize("count", [1, 4, 40])
def test_the_sheet_is_as_high_as_its_words_and_no_higher_than_a_small_screen(
    count: int, window: MainWindow, qtbot: QtBot
) -> None:
    """It was twice as high, with gaps between the sentences, and had no bound."""
    sheet = ChangesSheet("brave run", [LONG] * count, window)
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    assert sheet.height() < 600
    bar = sheet.findChildren(QScrollArea)[0].verticalScrollBar()
    assert (bar.maximum() == 0) == (count < 40), "what fits is seen whole"
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


def test_where_no_checkpoint_is_left_no_new_run_is_offered(window: MainWindow, qtbot: QtBot) -> None:
    """It was, and then refused."""
    sheet = ChangesSheet("brave run", ["The checkpoints of the run are gone."], window, branches=False)
    sheet.open()
    qtbot.waitUntil(sheet.isVisible)
    shown = [one.text() for one in sheet.findChildren(QPushButton) if one.isVisible()]
    assert shown == ["Cancel", "Go On"]
    said = " ".join(one.text() for one in labels(sheet))
    assert "There is no checkpoint from which a new run could begin." in said
    assert "same checkpoint" not in said
    qtbot.keyClick(sheet, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.findChild(ChangesSheet) is None)
