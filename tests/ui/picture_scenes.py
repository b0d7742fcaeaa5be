"""What else is looked at in pictures: sheets, windows of their own, and panes with something done in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QDialog, QPushButton, QScrollArea, QWidget

from droid_tune.config import resolve
from tests.ui.recording import episode_group
from ui.compare.compare_window import CompareWindow
from ui.main_window import MainWindow
from ui.one_run.report_window import ReportWindow
from ui.panes.data.pane import DataPane
from ui.panes.monitor.pane import MonitorPane
from ui.panes.monitor.steer_sheet import SteerSheet
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.rollouts.pane import RolloutsPane
from ui.panes.runs.pane import RunsPane
from ui.panes.setup.pane import SetupPane

Scene = Callable[[MainWindow], QWidget]
#: as long as anything may take; a picture is taken of what is there then
PATIENCE_S = 60.0


def until(what: Callable[[], object]) -> None:
    """Let the window work until something is so."""
    ends = time.monotonic() + PATIENCE_S
    while not what() and time.monotonic() < ends:
        QApplication.processEvents()
        time.sleep(0.01)


def press(where: QWidget, text: str) -> None:
    """The button that says so and is seen."""

    def seen() -> list[QPushButton]:
        return [one for one in where.findChildren(QPushButton) if one.text() == text and one.isVisible()]

    until(seen)
    seen()[0].click()


def of_action(window: MainWindow, text: str) -> None:
    next(one for one in window.findChildren(QAction) if one.text() == text).trigger()


def pane_of(window: MainWindow, key: str) -> Any:
    window.show_pane(key)
    return window.pane(key)


def dialog(window: QWidget, kind: type[QWidget] = QDialog) -> QWidget:
    until(lambda: any(one.isVisible() for one in window.findChildren(kind)))
    return [one for one in window.findChildren(kind) if one.isVisible()][-1]


# --- panes with something done in them ----------------------------------------------------------------------------------


def completions(window: MainWindow) -> QWidget:
    pane = cast("RolloutsPane", pane_of(window, "rollouts"))
    pane.show_view("completions")
    until(lambda: pane.completions.model.rowCount() > 0)
    pane.completions._search.setText("answer")
    until(lambda: " of " in pane.completions._count.text())
    return window


def prompts(window: MainWindow) -> QWidget:
    pane = cast("RolloutsPane", pane_of(window, "rollouts"))
    pane.show_view("prompts")
    return window


def metric_table(window: MainWindow) -> QWidget:
    pane = cast("MonitorPane", pane_of(window, "monitor"))
    pane._bar.view.choose("table")
    pane._view_changed()
    return window


def reward_charts(window: MainWindow) -> QWidget:
    pane = cast("MonitorPane", pane_of(window, "monitor"))
    pane._bar.view.choose("charts")
    pane._bar._sections.choose("rewards")  # pyright: ignore
    pane._view_changed()
    return window


def issues(window: MainWindow) -> QWidget:
    with TemporaryDirectory() as made:
        return _issues_in(window, _bad_data(Path(made) / "my data"))


def _bad_data(folder: Path) -> Path:
    folder.mkdir()
    good = [{"prompt": f"What is {n} plus 1?", "answer": str(n + 1)} for n in range(60)]
    bad: list[Any] = [{"prompt": "", "answer": "2"}] * 40 + [{"prompt": 7, "answer": "1"}] * 3
    rows = [*good, *bad, {"answer": "no prompt"}]
    text = "\n".join(map(json.dumps, rows)) + "\n{not json\n"
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    (folder / "valid.jsonl").write_text("\n".join(map(json.dumps, good[:20])), encoding="utf-8")
    return folder


def _issues_in(window: MainWindow, folder: Path) -> QWidget:
    pane = cast("DataPane", pane_of(window, "data"))
    until(lambda: not pane._reader.busy)
    window.session.set_data(str(folder))
    until(lambda: pane._found is not None and pane._found.path == str(folder))
    pane.show_view("issues")
    return window


def _view_of_data(key: str) -> Scene:
    def made(window: MainWindow) -> QWidget:
        pane = cast("DataPane", pane_of(window, "data"))
        until(lambda: pane._found is not None)
        pane.show_view(key)
        if key == "statistics":
            until(pane._statistics._progress.isHidden)
        return window

    return made


def find_in_rows(window: MainWindow) -> QWidget:
    pane = cast("DataPane", pane_of(window, "data"))
    pane.show_view("rows")
    of_action(window, "Find…")
    window._find_bar.field.setText("plus")
    until(lambda: " of " in window._find_bar.said.text())
    return window


def setup_with_tools(window: MainWindow) -> QWidget:
    pane = cast("SetupPane", pane_of(window, "setup"))
    pane.edits.take_example()
    pane.page.environment.setFocus()
    area = pane.findChildren(QScrollArea)[0]
    area.ensureWidgetVisible(pane.page.environment, 0, 400)
    return window


def playground(window: MainWindow) -> QWidget:
    pane = cast("PlaygroundPane", pane_of(window, "playground"))
    until(pane._ask.isEnabled)
    pane._prompt.setPlainText("What do seven pears cost?")
    pane._ask.click()
    until(pane._ask.isEnabled)
    return window


def several_answers(window: MainWindow) -> QWidget:
    pane = cast("PlaygroundPane", pane_of(window, "playground"))
    pane.asking.add_column()
    pane.asking.temperature.setCurrentIndex(1)
    pane.asking.samples.setCurrentIndex(1)
    until(pane.asking.row.isEnabled)
    pane.asking.row.setCurrentIndex(1)
    pane.asking.row.activated.emit(1)
    pane._ask.click()
    until(pane._ask.isEnabled)
    return window


def rollouts_with_tools(window: MainWindow) -> QWidget:
    state = window.session.shown
    step = max(1, state.step)
    group = episode_group(
        step, place=len(state.rollouts.by_step.get(step, ()))
    )  # beside those that the run has
    state.apply(group)
    pane = cast("RolloutsPane", pane_of(window, "rollouts"))
    pane.show_view("step")
    view = pane.by_step
    until(lambda: view.refresh() or group in view._groups)
    view._list.setCurrentIndex(view._prompts.index(view._groups.index(group)))
    until(lambda: view.page._group is group and not view.page.column.busy)
    return window


def _setup_of(method: str = "grpo", environment: str = "") -> Scene:
    """The cards and settings of a method, or of what a model acts in."""

    def made(window: MainWindow) -> QWidget:
        pane = cast("SetupPane", pane_of(window, "setup"))
        pane.edits.choose_environment("")
        pane.edits.choose_method(method)
        part: QWidget = pane.page.methods
        if environment:
            pane.edits.choose_environment(environment)
            part = pane.page.environment
        area = pane.findChildren(QScrollArea)[0]
        until(lambda: not part.size().isEmpty())
        QApplication.processEvents()
        area.verticalScrollBar().setValue(part.mapTo(pane.page, part.rect().topLeft()).y() - 40)
        return window

    return made


def queue_at_work(window: MainWindow) -> QWidget:
    """Runs that wait, and one that trains where the engine is a real one."""
    session = window.session
    window.show_pane("setup")
    for name in ("the first", "one with a name that is far longer than the list is wide", "the last"):
        session.draft.set_name(name)
        window.enqueue()
    window.show_pane("runs")
    session.start_queue()
    until(lambda: session.live is not None and session.live.step > 0)
    return window


# --- sheets and windows of their own ------------------------------------------------------------------------------------


def steer(window: MainWindow) -> QWidget:
    sheet = SteerSheet(resolve({}), window)
    sheet.open()
    return sheet


def values(window: MainWindow) -> QWidget:
    pane = cast("MonitorPane", pane_of(window, "monitor"))
    pane._bar.view.choose("charts")
    pane._view_changed()
    pane.board.charts[0].open_values()
    return dialog(window)


def workbench(window: MainWindow) -> QWidget:
    press(pane_of(window, "setup"), "Try…")
    sheet = cast(Any, dialog(window))
    until(lambda: not sheet.working and sheet.rows.chip.isVisibleTo(sheet))
    return sheet


def written_reward(window: MainWindow) -> QWidget:
    press(pane_of(window, "setup"), "Try Rewards…")
    sheet = cast(Any, dialog(window))
    until(lambda: not sheet.working)
    return sheet


def failing_reward(window: MainWindow) -> QWidget:
    """A reward file that raises where an answer has no number."""
    with TemporaryDirectory() as made:
        file = Path(made) / "shaky_reward.py"
        file.write_text(FAILING, encoding="utf-8")
        window.session.draft.set_rewards([{"type": "user_file", "path": str(file)}])
        window.session.draft_changed.emit()
        press(pane_of(window, "setup"), "Edit and Try…")
        sheet = cast(Any, dialog(window))
        until(lambda: not sheet.working and sheet.rows.chip.isVisibleTo(sheet))
        return sheet


FAILING = """\
\"\"\"A reward that fails where an answer has no number.\"\"\"

import re


def reward(completion, row):
    return float(re.search(r"-?[0-9]+", completion).group()) == float(row["answer"])
"""


def hub(window: MainWindow) -> QWidget:
    press(pane_of(window, "setup"), "Search…")
    return dialog(window)


def signal_check(window: MainWindow) -> QWidget:
    press(pane_of(window, "setup"), "Signal Check…")
    sheet = dialog(window)
    until(lambda: any(one.text() == "Close" and one.isVisible() for one in sheet.findChildren(QPushButton)))
    return sheet


def _chosen_run(window: MainWindow) -> RunsPane:
    pane = cast("RunsPane", pane_of(window, "runs"))
    until(lambda: bool(window.session.runs))
    done = [run for run in window.session.runs if run.state == "completed"]
    pane._list.choose({done[0].id})
    return pane


def export(window: MainWindow) -> QWidget:
    pane = _chosen_run(window)
    pane._actions["export"].click()
    return dialog(window)


def report(window: MainWindow) -> QWidget:
    pane = _chosen_run(window)
    pane._actions["report"].click()
    made = cast(Any, dialog(pane, ReportWindow))
    until(made._save.isEnabled)
    return made


def further_steps(window: MainWindow) -> QWidget:
    window.show_pane("result")
    press(window.pane("result"), "Train Further…")
    return window


def _compare(key: str) -> Scene:
    def made(window: MainWindow) -> QWidget:
        pane = cast("RunsPane", pane_of(window, "runs"))
        until(lambda: len(pane._list.model.lines) > 1)
        pane._list.choose({run.id for run in window.session.runs[:2]})
        pane.compare.click()
        shown = cast("CompareWindow", dialog(pane, CompareWindow))
        until(shown._said.isHidden)
        shown.view.choose(key)
        shown._turn()
        return shown

    return made


SCENES: dict[str, Scene] = {
    "completions": completions,
    "prompts": prompts,
    "metric-table": metric_table,
    "reward-charts": reward_charts,
    "find": find_in_rows,
    "statistics": _view_of_data("statistics"),
    "columns": _view_of_data("columns"),
    "tools": _view_of_data("tools"),
    "values": values,
    "steer": steer,
    **{f"setup-{one}": _setup_of(one) for one in ("dpo", "distillation", "self_distillation", "reward")},
    **{f"setup-{one}": _setup_of(environment=one) for one in ("openenv", "verifiers", "reasoning_gym")},
    "workbench": workbench,
    "failing-reward": failing_reward,
    "written-reward": written_reward,
    "hub": hub,
    "signal-check": signal_check,
    "export": export,
    "report": report,
    "further": further_steps,
    **{f"compare-{key}": _compare(key) for key in ("curves", "settings", "data", "code", "answers")},
    "playground-asked": playground,
    "playground-several": several_answers,
    "rollouts-tools": rollouts_with_tools,
    "issues": issues,
    "setup-tools": setup_with_tools,
    "signal-check-tools": signal_check,
    "queue": queue_at_work,
}
