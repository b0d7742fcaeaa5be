"""Words and figures in rows that change often."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from ui.panes.setup.readiness.text_grid import TextGrid


def test_labels_stay_while_their_texts_change(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    grid = TextGrid(window)
    grid.show_rows([[("", ""), ("Sampling", "strong")], [("Weights", "small"), ("2 MB", "small")]])
    before = window.findChildren(QLabel)
    grid.show_rows([[("", ""), ("Sampling", "strong")], [("Weights", "small"), ("3 MB", "small")]])
    assert grid.texts() == ["Sampling", "Weights", "3 MB"]
    assert window.findChildren(QLabel) == before


def test_rows_that_are_not_told_again_go(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    grid = TextGrid(window)
    grid.show_rows([[("SFT", "")], [("GRPO", "")]])
    grid.show_rows([[("SFT", "")]])
    assert grid.texts() == ["SFT"]
    assert grid.count() == 1
