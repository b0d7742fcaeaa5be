"""Inline notices take the room of their words."""

from __future__ import annotations

import pytest
import shiboken6
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import Notice
from ui.panes.monitor.notice_box import NoticeBox
from ui.widgets import notice as notice_module
from ui.widgets.basics import column
from ui.widgets.notice import NoticeStack

#: the offscreen platform says so of every window with a layout
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def test_a_notice_is_as_tall_as_its_words_at_the_width_it_has(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    layout = column(page, spacing=10)
    notices = NoticeStack(page)
    layout.addWidget(notices)
    layout.addWidget(QWidget(page), 1)
    bar = notices.add("info", "None of the 6 rows can be used, and here is why: " + 14 * "a word, ")
    page.resize(1600, 500)
    page.show()
    qtbot.waitExposed(page)
    line = bar.findChildren(QLabel)[1].fontMetrics().height()
    wide = bar.height()
    assert wide < line + 32  # the text on one line, and the bar's margins
    page.resize(700, 500)
    qtbot.waitUntil(lambda: bar.height() > wide)


def notice(step: int, text: str) -> Notice:
    return Notice(level="info", code="said", text=text, step=step)


def test_what_was_waved_away_stays_away_while_the_run_goes_on(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    box = NoticeBox(page)
    told = [notice(1, "The first"), notice(2, "The second")]
    box.show_notices(told)
    first, second = box.bars
    second.dismiss()
    qtbot.waitUntil(lambda: not shiboken6.isValid(second))
    box.show_notices([*told, notice(3, "The third")])
    assert [bar.text for bar in box.bars] == ["Step 1: The first", "Step 3: The third"]
    box.forget()
    box.show_notices(told)
    assert first not in box.bars
    assert len(box.bars) == 2


@pytest.mark.parametrize("how", ["dismiss", "remove", "clear"])
def test_the_keys_of_a_notice_that_goes_are_no_other_buttons(how: str, qtbot: QtBot) -> None:
    """Space would press Train else."""
    window = QWidget()
    qtbot.addWidget(window)
    layout = column(window)
    train, page = QPushButton("Train", window), QWidget(window)
    layout.addWidget(train)
    layout.addWidget(page)
    notices = NoticeStack(page)
    column(page).addWidget(notices)
    bar = notices.add("good", "It was written.", actions=("Use This Data",))
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    pressed = bar.findChildren(QPushButton)[0]
    pressed.setFocus()
    {"dismiss": bar.dismiss, "remove": lambda: notices.remove(bar), "clear": notices.clear}[how]()
    assert window.focusWidget() is page


def test_a_word_that_all_went_well_goes_by_itself_and_a_question_stays(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_module, "GOOD_MS", 1)
    page = QWidget()
    qtbot.addWidget(page)
    stack = NoticeStack(page)
    stack.add("warning", "Three rows were left out.")
    stack.add("good", "120 rows written.", actions=("Use It",))
    stack.add("good", "The settings were imported.")
    qtbot.waitUntil(
        lambda: [bar.text for bar in stack.bars()] == ["120 rows written.", "Three rows were left out."]
    )
