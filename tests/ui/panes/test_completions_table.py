"""The completions of a whole run: found, explained, stepped through and taken out, and the prompts over time."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from droid_tune.events import Completion, RolloutGroup, TokenTrace
from droid_tune.runs.completions.asking import Visit
from droid_tune.runs.completions.difficulty import histories_of
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.rollouts import completion_desk, completions_model
from ui.panes.rollouts.completion_desk import groups_in
from ui.panes.rollouts.completions_model import PAGE, TEXT_PLACE
from ui.panes.rollouts.difficulty_map import DifficultyMap, color_of, tip_of
from ui.panes.rollouts.marked_text import marked, read_answer, tinted
from ui.panes.rollouts.pane import RolloutsPane
from ui.panes.rollouts.prompts_view import dropped, won
from ui.session import Session
from ui.theme import LIGHT
from ui.widgets.texts.parted_text import parted

STEPS, GROUPS, SIZE = 60, 4, 8


@pytest.fixture
def pane(session: Session, window: MainWindow, tmp_path: Path, qtbot: QtBot) -> RolloutsPane:
    folder = write_run(tmp_path / "run", complete(STEPS))
    with qtbot.waitSignal(session.shown_changed):
        session.show_run(folder)
    window.show_pane("rollouts")
    made = window.pane("rollouts")
    assert isinstance(made, RolloutsPane)
    made.show_view("completions")
    everything = len([e for e in complete(STEPS) if isinstance(e, RolloutGroup) and not e.held_out]) * SIZE
    qtbot.waitUntil(lambda: made.completions.model.rowCount() == everything, timeout=10_000)
    qtbot.waitUntil(lambda: made.completions.detail.one is not None)
    return made


def search(pane: RolloutsPane, qtbot: QtBot) -> list[str]:
    """What is found once the filters were followed: the texts of the first rows."""
    with qtbot.waitSignal(pane.desk.found):
        pane.completions.ask()
    model = pane.completions.model
    return [model.index(row, TEXT_PLACE).data() for row in range(min(5, model.rowCount()))]


def test_the_table_has_every_completion_of_the_run_with_a_column_for_each_part(
    pane: RolloutsPane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions_model, "KEPT_PAGES", 3)
    model = pane.completions.model
    headings = [model.headerData(n, Qt.Orientation.Horizontal) for n in range(model.columnCount())]
    assert headings == ["Step", "Row", "Reward", "Completion", "Tokens", "Advantage", "Accuracy", "Format"]
    assert model.index(0, 0).data() == "1"
    assert model.index(model.rowCount() - 1, 0).data() == "60"
    for place in range(0, model.rowCount(), PAGE):
        assert model.line(place) is not None
    assert len(model._pages) == 3 < model.rowCount() // PAGE  # what was not seen for long is on disk alone


def test_filters_search_and_order_together(pane: RolloutsPane, qtbot: QtBot) -> None:
    view = pane.completions
    view._kind.choose("wrong")
    view._bound.setCurrentIndex(view._bound.findData("length"))
    view._least.setText("1")
    search(pane, qtbot)
    wrong = view.model.rowCount()
    view._kind.choose("right")
    search(pane, qtbot)
    assert wrong + view.model.rowCount() == STEPS * GROUPS * SIZE
    view._search.setText("no completion says this")
    assert search(pane, qtbot) == []
    assert view._count.text() == "0 completions"
    assert not view._export.isEnabled()
    view._search.setText("")
    names = [name for name, _ in view.model.columns]
    with qtbot.waitSignal(pane.desk.found):
        view._sort_by(names.index("length"))
    lengths = [int(view.model.index(row, names.index("length")).data()) for row in range(20)]
    assert lengths == sorted(lengths, reverse=True)


def test_the_charts_turn_the_table_to_a_step_or_a_range(pane: RolloutsPane, qtbot: QtBot) -> None:
    cursor = pane.session.cursor
    with qtbot.waitSignal(pane.desk.found):
        cursor.choose_range((10, 12))
    assert pane.completions.model.rowCount() == 3 * GROUPS * SIZE
    assert pane.completions._range.text().startswith("Steps 10 to 12")
    with qtbot.waitSignal(pane.desk.found):
        pane.completions._range.click()
    assert pane.completions.model.rowCount() == STEPS * GROUPS * SIZE
    cursor.choose(7)
    pane.show_view("step")
    assert pane.by_step._step.text() == "Step 7"


def test_an_earlier_step_is_read_from_the_file_behind_the_window(
    pane: RolloutsPane, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[str] = []

    def read(rollouts: Path, step: int) -> list[RolloutGroup]:
        readers.append(threading.current_thread().name)
        return groups_in(rollouts, step)

    monkeypatch.setattr(completion_desk, "groups_in", read)
    pane.show_view("step")
    view, there = pane.by_step, pane.session.shown.rollouts.by_step
    newest, known = max(there), there.pop(7)
    for _ in range(2):  # it is read once
        view._slider.setValue(view._steps.index(7))
        qtbot.waitUntil(lambda: view._groups[0].step == 7)
        assert [group.prompt for group in view._groups] == [one.prompt for one in known if not one.held_out]
        view._slider.setValue(view._steps.index(newest))
        assert view._groups[0].step == newest  # at hand
    assert len(readers) == 1
    assert "MainThread" not in readers


def test_rows_that_were_asked_for_too_early_are_read_later(pane: RolloutsPane) -> None:
    """What is wanted may be found before the desk hears that the table was read; a page of then must not stay empty."""
    desk, model = pane.completions.model._desk, pane.completions.model
    read, index = desk.read_bytes, desk._index
    desk.read_bytes, desk._index = -1, None
    model.show(list(model.ids))
    assert model.line(0) is None
    desk.read_bytes, desk._index = read, index
    assert model.line(0) is not None


def test_j_and_k_step_through_and_the_detail_shows_it(pane: RolloutsPane, qtbot: QtBot) -> None:
    view = pane.completions
    view.table.selectRow(0)
    view.table.setFocus()
    qtbot.waitUntil(view.table.hasFocus)
    for key in (Qt.Key.Key_J, Qt.Key.Key_J, Qt.Key.Key_K):
        qtbot.keyClick(view.table, key)
    assert view.table.currentIndex().row() == 1
    line = view.model.line(1)
    assert line is not None
    qtbot.waitUntil(lambda: view.detail.one is not None and view.detail.one.text == line.text)
    view.detail.copy()
    assert QGuiApplication.clipboard().text() == line.text


def test_the_detail_says_why(pane: RolloutsPane) -> None:
    line = pane.completions.model.line(0)
    assert line is not None
    one = Completion(
        text=line.text, reward=0, rewards={"accuracy": 0}, reasons={"accuracy": "answer read: 17, expected 7"},
        length=3, finish_reason="stop",
    )  # fmt: skip
    group = RolloutGroup(step=1, group=0, prompt="Q", answer="7", completions=[one] * SIZE)
    pane.completions.detail.show_completion(line, group)
    detail = pane.completions.detail
    assert "answer read: 17, expected 7" in [shown.text() for shown in detail.findChildren(QLabel)]
    assert "Expected answer: 7" in detail._prompt.toPlainText()


def test_the_selection_is_exported(pane: RolloutsPane, tmp_path: Path, qtbot: QtBot) -> None:
    view, out = pane.completions, tmp_path / "out.jsonl"
    view.table.selectRow(0)
    view.table.selectionModel().select(
        view.model.index(2, 0),
        view.table.selectionModel().SelectionFlag.Select | view.table.selectionModel().SelectionFlag.Rows,
    )
    with qtbot.waitSignal(view.told) as told:
        view.export_to(out)
    assert told.args == ["info", f"2 completions written to {out}."]
    assert len([json.loads(line) for line in out.read_text().splitlines()]) == 2


def test_a_prompt_goes_to_the_playground(pane: RolloutsPane, window: MainWindow) -> None:
    line = pane.completions.model.line(0)
    assert line is not None
    pane.completions.detail._ask_playground()
    assert window.current_key() == "playground"
    assert window.pane("playground")._prompt.toPlainText() == line.prompt


def test_prompts_are_mapped_and_one_is_seen_over_time(pane: RolloutsPane, qtbot: QtBot) -> None:
    row = pane.completions.model.line(0)
    assert row is not None
    assert row.row is not None
    with qtbot.waitSignal(pane.desk.visited):
        pane.completions.prompt_wanted.emit(row.row)
    view = pane.prompts
    assert view.isVisible()
    history = view._histories[view.map._place]
    assert history.row == row.row
    assert view.over_time._then._visit.count() == len(history.visits)
    assert view.over_time._now._visit.currentIndex() == len(history.visits) - 1
    assert f"{len(history.visits)} visits" in view.over_time._title.text()


def test_winners_and_data_without_the_hopeless_are_written_in_the_background(
    pane: RolloutsPane, tmp_path: Path, qtbot: QtBot
) -> None:
    view = pane.prompts
    with qtbot.waitSignal(view.told) as told:
        view.write_to(tmp_path / "won", won)
    assert told.args[0] == "info"
    assert (tmp_path / "won" / "train.jsonl").exists()
    with qtbot.waitSignal(view.told) as told:
        view.write_to(tmp_path / "left", partial(dropped, histories=[], kind="hopeless"))
    assert told.args == ["error", "No prompt of this run is hopeless, so there is nothing to drop."]


def test_a_cell_of_the_map_tells_its_visit(qtbot: QtBot) -> None:
    shown = DifficultyMap(None)  # pyright: ignore
    qtbot.addWidget(shown)
    visits = [Visit(3, 1, 0, 8, 0.0, 0), Visit(3, 9, 8, 8, 1.0, 50), Visit(5, 2, 0, 8, 0.0, 90)]
    shown.show_histories(histories_of(visits))
    shown.grab()
    found = shown.visit_at(QPoint(58 + 14 + 3, 14 + 3))  # the second cell of the second line
    assert found is not None
    assert tip_of(*found) == "Row 4, step 9: 8 of 8 right"
    assert shown.visit_at(QPoint(5, 500)) is None
    assert shown.accessibleDescription() == "1 of 2 prompts solved, 1 hopeless"
    assert color_of(1.0) != color_of(0.0)


def test_thoughts_are_parted_from_the_answer() -> None:
    assert (parted("<think>a</think>b").thoughts.strip(), parted("<think>a</think>b").said) == ("a", "b")
    assert (parted("plain").thoughts, parted("plain").said) == ("", "plain")
    assert parted("<think>never ends").said == ""


def test_the_read_answer_is_marked_where_it_stands_last_and_nothing_is_taken_for_markup() -> None:
    reasons = {"format": "the pattern was found", "accuracy": "answer read: 17, expected 7"}
    assert read_answer(reasons) == "17"
    assert read_answer({"accuracy": "answer read: 7"}) == "7"
    shown = marked("17 <b> so 17.", reasons, LIGHT)
    assert shown.startswith("17 &lt;b&gt; so <span")
    assert shown.endswith(">17</span>.")
    assert marked("none", {"accuracy": "no answer found, expected 7"}, LIGHT) == "none"


def test_tokens_are_tinted_by_what_the_update_did_to_them(pane: RolloutsPane) -> None:
    trace = TokenTrace(pieces=["<a>", " b"], log_ratio=[0.2, -0.1], entropy=[0.0, 1.0])
    change, weighted, entropy = (tinted(trace, kind, -1.0) for kind in ("change", "weighted", "entropy"))
    assert "&lt;a&gt;" in change
    assert change != weighted != entropy
    line = pane.completions.model.line(5)
    detail = pane.completions.detail
    detail.show_completion(line, None, trace)
    assert detail._tint.isVisibleTo(detail)
    detail._tint.setCurrentIndex(1)
    assert detail._text.text() == tinted(trace, "change", line.advantage if line is not None else 0)
    detail.show_completion(pane.completions.model.line(6), None)
    assert not detail._tint.isVisibleTo(detail)
