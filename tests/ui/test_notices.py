"""Inline notices take the room of their words."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

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
