"""Findings that say the same of many rows are one line with their count, which unfolds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from droid_tune.data.issues import Issue
from ui.panes.data.issues.issues_model import IssuesModel
from ui.panes.data.issues.issues_view import IssuesView

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def leaked(row: int) -> Issue:
    said = f"This prompt is also in train (line {row * 3})."
    return Issue("valid.jsonl", row, None, None, "prompt", "leak", "warning", said, f"text {row}")  # pyright: ignore[reportArgumentType]


BROKEN = Issue("train.jsonl", 7, None, 1, None, "json", "error", "Not valid JSON.", "{")  # pyright: ignore[reportArgumentType]
ISSUES: Sequence[Issue] = [leaked(1), BROKEN, *(leaked(row) for row in range(2, 166))]


@pytest.fixture
def model(owner: QObject) -> IssuesModel:
    made = IssuesModel(owner)
    made.show(ISSUES)
    return made


def test_165_equal_findings_are_one_line_and_hide_no_other(model: IssuesModel) -> None:
    assert model.rowCount() == 2
    assert model.index(0, 0).data() == "▸ valid.jsonl ×165"
    assert model.index(1, 0).data() == "train.jsonl"
    assert (
        model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
        == "warning: valid.jsonl, 165 alike, folded"
    )
    assert model.issue(1) is BROKEN


def test_a_group_unfolds_and_folds_again(model: IssuesModel) -> None:
    model.fold(0)
    assert model.rowCount() == 166
    assert model.index(0, 0).data() == "▾ valid.jsonl ×165"
    assert [model.issue(place).line for place in range(165)] == list(range(1, 166))
    assert model.issue(165) is BROKEN
    model.fold(1)  # no head: nothing happens
    model.fold(0, folded=False)
    assert model.rowCount() == 166
    model.fold(0, folded=True)
    assert model.rowCount() == 2


def test_two_that_are_alike_stand_for_themselves(owner: QObject) -> None:
    made = IssuesModel(owner)
    made.show([leaked(1), leaked(2)])
    assert made.rowCount() == 2
    assert made.index(0, 0).data() == "valid.jsonl"


def test_the_keyboard_unfolds_and_folds(qtbot: QtBot) -> None:
    view = IssuesView(None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(view)
    view.show_issues(ISSUES)
    view.show()
    qtbot.waitExposed(view)
    view.activateWindow()
    view._table.setFocus()
    qtbot.waitUntil(view._table.hasFocus)
    for key, rows in ((Qt.Key.Key_Right, 166), (Qt.Key.Key_Left, 2), (Qt.Key.Key_Return, 166)):
        qtbot.keyClick(view._table, key)
        assert view._model.rowCount() == rows
    rect = view._table.visualRect(view._model.index(0, 0))
    qtbot.mouseClick(view._table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert view._model.rowCount() == 2
