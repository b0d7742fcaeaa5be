"""What Setup says before Train of what the estimate does not know: rewards found and tried, rows held out, and leaked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.runs.state import RunState
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, started, write_run
from ui.main_window import MainWindow
from ui.panes.data.pane import DataPane
from ui.panes.data.tools.change_form import CHANGES
from ui.panes.setup.readiness.forecast_strip import TOOLS
from ui.panes.setup.workbench.workbench_sheet import WorkbenchSheet
from ui.work.run_reading import read_run

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def said_by(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisible())


def button(widget: QWidget, text: str) -> QPushButton:
    return next(one for one in widget.findChildren(QPushButton) if one.text() == text and one.isVisible())


def test_a_reward_file_is_looked_for_and_is_to_be_tried_as_it_stands(
    window: MainWindow, engine: FakeEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    file = tmp_path / "mine.py"
    window.show_pane("setup")
    pane = window.pane("setup")
    window.session.draft.set_rewards([{"type": "user_file", "path": str(file), "weight": 1.0}])
    window.session.draft_changed.emit()
    assert f"There is no file {file}" in pane._footer.summary.text()
    window.show_pane("data")
    window.train()
    assert engine.folders == []
    assert window.current_key() == "setup"
    field = window.focusWidget()
    assert field is not None
    assert field.property("text") == str(file)
    window.session.draft.method = "sft"  # no reward is asked there
    window.session.draft_changed.emit()
    assert "There is no file" not in pane._footer.summary.text()
    window.session.draft.method = "grpo"
    file.write_text("def f(completion, row):\n    return 0.5\n")
    window.session.draft_changed.emit()
    forecast = pane._footer.forecast
    qtbot.waitUntil(lambda: "mine.py was not tried yet" in said_by(forecast))
    button(forecast, "Try Rewards…").click()
    sheet = window.findChild(WorkbenchSheet)
    assert sheet is not None
    qtbot.waitUntil(lambda: "mine.py was not tried yet" not in said_by(forecast))
    sheet.done(0)
    file.write_text("def f(completion, row):\n    return 0.25\n")
    window.session.draft_changed.emit()
    qtbot.waitUntil(lambda: "mine.py was not tried yet" in said_by(forecast))


def test_data_without_held_out_rows_says_what_the_run_will_not_tell(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    rows = [json.dumps({"prompt": f"What is {n} plus 1?", "answer": str(n + 1)}) + "\n" for n in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    window.show_pane("setup")
    window.session.set_data(str(tmp_path))
    forecast = window.pane("setup")._footer.forecast
    qtbot.waitUntil(lambda: "No row is held out" in said_by(forecast))
    button(forecast, "Hold Out Rows…").click()
    assert window.current_key() == "data"
    data = window.pane("data")
    assert isinstance(data, DataPane)
    assert (data._bar.view.key, data._tools.change.title) == ("tools", "Hold Out Rows")
    window.show_pane("setup")
    (tmp_path / "valid.jsonl").write_text(json.dumps({"prompt": "other?", "answer": "1"}) + "\n")
    window.session.set_data(str(tmp_path))
    qtbot.waitUntil(lambda: "No row is held out" not in said_by(forecast))


def test_tools_that_setup_offers_are_those_of_the_data_pane() -> None:
    titles = {one.key: f"{one.title}…" for one in CHANGES}
    assert {key: titles[key] for key in TOOLS} == TOOLS


def test_what_leaked_stands_beside_the_held_out_accuracy(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    first = started(6)
    leaked = first.model_copy(update={"data": {**first.data, "leaked": 65}})
    events = [leaked if event == first else event for event in complete(6, answered=True)]
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(write_run(tmp_path / "run", events))
    assert isinstance(window.session.shown, RunState)
    for key in ("monitor", "result"):
        window.show_pane(key)
        qtbot.waitUntil(lambda key=key: "65 of 100 also in train" in said_by(window.pane(key)))
    assert read_run(tmp_path / "run").data["leaked"] == 65
