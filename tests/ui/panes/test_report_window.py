"""The report in the window: drawn from the same page as the file, saved, and over nothing but a page of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from droid_tune.config import resolve
from droid_tune.queue.run_queue import RunQueue
from tests.ui.recording import complete, write_run
from tests.ui.spoken_names import nameless
from ui.main_window import MainWindow
from ui.one_run.report_window import ReportWindow
from ui.panes.runs.pane import RunsPane

# what Qt's off-screen platform says of each second window
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def pane(window: MainWindow, data_home: Path, qtbot: QtBot) -> RunsPane:
    """With two runs, the first of them in the queue."""
    for name in ("one", "two"):
        write_run(data_home / "runs" / name, complete(60))
    queue = RunQueue()
    queue.write(
        queue.add(resolve({"name": "one"})).changed(state="completed", run=str(data_home / "runs" / "one"))
    )
    window.show_pane("runs")
    found = window.pane("runs")
    assert isinstance(found, RunsPane)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    qtbot.waitUntil(lambda: bool(window.session.queue.runs))
    return found


def opened(pane: RunsPane, qtbot: QtBot) -> ReportWindow:
    """The report that is open, once it has read its runs."""
    (found,) = pane.findChildren(ReportWindow)
    qtbot.waitUntil(lambda: found._save.isEnabled())
    return found


def test_a_run_is_reported_with_its_curves(pane: RunsPane, tmp_path: Path, qtbot: QtBot) -> None:
    pane._list.choose({"two"})
    pane._actions["report"].click()
    report = opened(pane, qtbot)
    text = report._browser.toPlainText()
    assert "Held-out accuracy came" in text
    assert text.count("\ufffc") >= 3, "pictures of curves"
    assert nameless(report) == []
    out = tmp_path / "report.html"
    assert report.save(out)
    assert "<svg" in out.read_text(encoding="utf-8")
    (tmp_path / "mine.html").write_text("mine")
    assert not report.save(tmp_path / "mine.html")
    assert "is no page of ours" in report._word.text()
    report.close()


def test_the_night_is_reported_from_the_queue(window: MainWindow, pane: RunsPane, qtbot: QtBot) -> None:
    pane._queue._report.click()
    report = opened(pane, qtbot)
    assert report.windowTitle() == "Report of the night"
    assert "1 run ·" in report._browser.toPlainText()
    assert report._measure.isEnabled()
    report.close()
