"""Find by the keyboard: in rows of data from disk, in completions, in runs, and in what a pane shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import Qt, QThread
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.data.pane import DataPane
from ui.panes.data.rows import rows_finder
from ui.panes.rollouts.marked_text import marked
from ui.panes.rollouts.pane import RolloutsPane
from ui.panes.runs.pane import RunsPane
from ui.session import Session
from ui.theme import LIGHT
from ui.widgets.lists.finder import SeenFinder
from ui.widgets.texts.styled_text import with_sought
from ui.work.run_reading import read_run

#: the sought text stands in three rows, in portions of their own
ROWS, HITS, PORTION = 100, (3, 43, 83), 20


def press(window: MainWindow, text: str) -> None:
    """As its key does."""
    next(one for one in window.findChildren(QAction) if one.text() == text).trigger()


@pytest.fixture
def data(window: MainWindow, session: Session, tmp_path: Path, qtbot: QtBot) -> DataPane:
    said = dict.fromkeys(HITS, "Where is the Nadelöhr?")
    lines = (
        json.dumps({"prompt": said.get(n, f"{n} plus 1?"), "answer": str(n)}) for n in range(1, ROWS + 1)
    )
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    window.show_pane("data")
    pane = cast("DataPane", window.pane("data"))
    qtbot.waitUntil(lambda: not pane._reader.busy)
    session.set_data(str(tmp_path))
    qtbot.waitUntil(lambda: pane._found is not None and pane._found.path == str(tmp_path), timeout=30_000)
    return pane


def test_rows_are_found_from_disk_a_portion_at_a_time_off_the_windows_thread(
    data: DataPane, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []
    search = rows_finder.rows_with

    def watched(*asked: object) -> object:
        threads.append(QThread.currentThread() is QApplication.instance().thread())  # pyright: ignore
        return search(*asked)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(rows_finder, "rows_with", watched)
    monkeypatch.setattr(rows_finder, "PORTION", PORTION)
    press(window, "Find…")
    bar, rows = window._find_bar, data._rows
    qtbot.keyClicks(bar.field, "NADELÖHR")
    qtbot.waitUntil(lambda: bar.said.text() == "1 of 3 rows", timeout=30_000)
    assert threads.count(True) == 0
    assert len(threads) >= ROWS // PORTION
    assert rows.current == HITS[0] - 1
    assert data._bar._go.value() == HITS[0], "the number beside the table is the chosen row's"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert (rows.current, bar.said.text()) == (HITS[1] - 1, "2 of 3 rows")
    press(window, "Find Next")
    assert (rows.current, bar.said.text()) == (HITS[2] - 1, "3 of 3 rows")
    press(window, "Find Next")
    assert (rows.current, bar.said.text()) == (HITS[0] - 1, "1 of 3 rows")
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert (rows.current, bar.said.text()) == (HITS[2] - 1, "3 of 3 rows")
    text = rows._detail._text
    qtbot.waitUntil(lambda: len(text.extraSelections()) == 1)
    assert text.extraSelections()[0].cursor.selectedText() == "Nadelöhr"  # pyright: ignore
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert text.extraSelections() == []


def test_find_in_rows_says_what_is_not_there_and_begins_anew_with_other_rows(
    data: DataPane, window: MainWindow, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    press(window, "Find…")
    bar = window._find_bar
    qtbot.keyClicks(bar.field, "nothing says this")
    qtbot.waitUntil(lambda: bar.said.text() == "Not found", timeout=30_000)
    assert data._rows.current == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.jsonl").write_text(
        '{"prompt": "But nothing says this", "answer": "1"}\n', encoding="utf-8"
    )
    session.set_data(str(other))
    qtbot.waitUntil(lambda: bar.said.text() == "1 of 1 row", timeout=30_000)
    data.show_view("columns")
    assert isinstance(bar._finder, SeenFinder)


def test_the_search_of_completions_steps_counts_and_marks(
    session: Session, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = write_run(tmp_path / "run", complete(6))
    session.shown_run.show(read_run(folder), folder)
    window.show_pane("rollouts")
    pane = cast("RolloutsPane", window.pane("rollouts"))
    press(window, "Find…")
    assert window._find_bar.isVisible(), "by step there is no field: the bar looks in what is seen"
    pane.show_view("completions")
    view = pane.completions
    field = view._search
    assert not window._find_bar.isVisible()
    assert window.focusWidget() is field
    qtbot.waitUntil(lambda: view.model.rowCount() > 0, timeout=30_000)
    qtbot.keyClicks(field, "STEP by")
    qtbot.waitUntil(lambda: view._count.text().startswith("1 of "), timeout=30_000)
    found = view.model.rowCount()
    assert found > 2
    qtbot.waitUntil(lambda: LIGHT.warning_soft in view.detail._text.text())
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert view._count.text() == f"2 of {found} completions"
    press(window, "Find Previous")
    press(window, "Find Previous")
    assert view._count.text() == f"{found} of {found} completions"
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == ""
    qtbot.waitUntil(lambda: view._count.text().endswith("completions") and " of " not in view._count.text())
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert window.focusWidget() is view.table


def test_the_search_of_runs_steps(
    session: Session, window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    for number in range(3):
        write_run(data_home / "runs" / f"2026010{number + 1}-090000-grpo-starter", complete(2))
    session.refresh_runs()
    qtbot.waitUntil(lambda: len(session.runs) == 3)
    window.show_pane("runs")
    table = cast("RunsPane", window.pane("runs"))._list
    press(window, "Find…")
    assert window.focusWidget() is table.search
    qtbot.keyClicks(table.search, "grpo")
    seen = [table.view.currentIndex().row()]
    for _ in range(3):
        press(window, "Find Next")
        seen.append(table.view.currentIndex().row())
    assert seen == [0, 1, 2, 0]
    qtbot.keyClick(table.search, Qt.Key.Key_Escape)
    assert table.search.text() == ""


def test_find_looks_in_lines_of_tables_and_not_in_marks(
    window: MainWindow, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = write_run(tmp_path / "run", complete(6))
    session.shown_run.show(read_run(folder), folder)
    window.show_pane("monitor")
    pane = window.pane("monitor")
    pane._bar.view.choose("table")  # pyright: ignore[reportAttributeAccessIssue]
    pane._view_changed()  # pyright: ignore[reportAttributeAccessIssue]
    rich = QLabel("<span style='color:red'>red</span>", pane)
    rich.setTextFormat(Qt.TextFormat.RichText)
    rich.show()
    finder = pane.finder()
    said: list[str] = []
    finder.said.connect(said.append)
    finder.look_for("style")
    assert said == ["Not found"]
    finder.look_for("Reward")
    assert said[-1].startswith("1 of ")
    for _ in range(20):
        finder.go(1)
    table = pane._table  # pyright: ignore[reportAttributeAccessIssue]
    assert "Reward" in table.item(table.currentRow(), 0).text()


def test_what_was_looked_for_stands_out_and_nothing_is_taken_for_markup() -> None:
    assert with_sought("a <b> B", "B", LIGHT).count("background-color") == 2
    assert "&lt;" in with_sought("a <b>", "x", LIGHT)
    shown = marked("The answer is 34.", {"accuracy": "answer read: 34, expected 34"}, LIGHT, "is 3")
    assert shown.count("<span") == 3, "before, within and behind the read answer"
    assert marked("plain", {}, LIGHT, "") == "plain"
