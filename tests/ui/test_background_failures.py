"""Whatever fails in the background is said in the window, and can be tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config import RunConfig, resolve
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.data.rows.look import Look
from ui.panes.data.rows.rows_model import PAGE_ROWS, RowsModel
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.runs.pane import RunsPane
from ui.panes.runs.run_curves import READ_AGAIN
from ui.panes.setup.choices.model_picker import ModelPicker
from ui.panes.setup.readiness.forecasting import Forecaster
from ui.session import Session
from ui.widgets.notice import NoticeBar
from ui.work.run_reading import read_run


class Flaky:
    """Raises until it is mended, then does what it stands for."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self.calls = 0
        self.broken = True

    def __call__(self, *given: Any, **options: Any) -> Any:
        self.calls += 1
        if self.broken:
            raise OSError("The disk went away.")
        return self._work(*given, **options)


def notices(pane: QWidget) -> list[str]:
    return [f"{bar.text} {bar.remedy}" for bar in pane.findChildren(NoticeBar) if bar.isVisible()]


@pytest.fixture
def runs(window: MainWindow, data_home: Path, qtbot: QtBot) -> MainWindow:
    for name in ("one", "two"):
        write_run(data_home / "runs" / name, complete(60))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    return window


def test_a_curve_that_could_not_be_read_is_said_and_read_again(
    runs: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    read = Flaky(read_run)
    monkeypatch.setattr("ui.panes.runs.run_curves.read_run", read)
    runs.show_pane("runs")
    pane = runs.pane("runs")
    assert isinstance(pane, RunsPane)
    qtbot.waitUntil(lambda: len(notices(pane)) == 1)
    assert notices(pane)[0].endswith("could not be read. The disk went away.")
    pane._show_detail()  # as the window's beat does: it does not try over and over
    assert read.calls == 1
    read.broken = False
    next(made for made in pane.findChildren(QPushButton) if made.text() == READ_AGAIN).click()
    qtbot.waitUntil(lambda: pane._curves.chart.summary() != "No values of this metric.")
    assert notices(pane) == []


def test_choosing_a_run_again_reads_its_curve_again(
    runs: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    read = Flaky(read_run)
    monkeypatch.setattr("ui.panes.runs.run_curves.read_run", read)
    runs.show_pane("runs")
    pane = runs.pane("runs")
    assert isinstance(pane, RunsPane)
    qtbot.waitUntil(lambda: len(notices(pane)) == 1)
    pane.findChildren(NoticeBar)[0].dismiss()
    read.broken = False
    first = {run.id for run in pane._list.chosen()}
    pane._list.choose({"one", "two"} - first)
    pane._list.choose(first)
    qtbot.waitUntil(lambda: pane._curves.chart.summary() != "No values of this metric.")


def test_models_that_could_not_be_listed_are_said_and_the_choice_stays(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from droid_tune.model_files.found import find_models

    find = Flaky(find_models)
    monkeypatch.setattr("ui.panes.setup.choices.model_picker.find_models", find)
    picker = ModelPicker(session, None)  # pyright: ignore
    qtbot.addWidget(picker)
    picker.show_model("/models/mine", [])
    qtbot.waitUntil(lambda: picker._models.rowCount() == 1)
    assert not picker._fault.isHidden()
    assert "The disk went away." in picker._fault.text()
    find.broken = False
    picker.show_model("starter", [])
    qtbot.waitUntil(lambda: picker._models.place_of("starter").isValid())
    assert picker._fault.isHidden()


def test_data_that_could_not_be_measured_is_said_and_measured_for_the_next_question(
    qtbot: QtBot, owner: QObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from droid_tune.estimate import lengths

    measure = Flaky(lengths.measure_data)
    monkeypatch.setattr(lengths, "measure_data", measure)
    forecaster = Forecaster(owner)
    config = resolve({})
    with qtbot.waitSignal(forecaster.hampered, check_params_cb=bool) as said:
        forecaster.ask(config)
    assert said.args == ["The data could not be measured, so its lengths are assumed: The disk went away."]
    measure.broken = False
    forecaster.ask(config)
    qtbot.waitUntil(lambda: any(forecaster._lengths.values()), timeout=20_000)


def test_methods_that_could_not_be_compared_are_said(
    qtbot: QtBot, owner: QObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui.panes.setup.readiness import forecasting_methods

    compare = Flaky(forecasting_methods.by_method)
    monkeypatch.setattr(forecasting_methods, "by_method", compare)
    forecaster = Forecaster(owner)
    config: RunConfig = resolve({})
    with qtbot.waitSignal(forecaster.hampered, check_params_cb=bool, timeout=20_000) as said:
        forecaster.ask(config)
    assert said.args == ["The methods could not be compared: The disk went away."]
    compare.broken = False
    with qtbot.waitSignal(forecaster.compared, timeout=20_000):
        forecaster.ask(config)


def test_prompts_of_a_run_that_could_not_be_read_are_said(
    runs: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    from ui.panes.playground.first_questions import first_prompts

    read = Flaky(first_prompts)
    monkeypatch.setattr("ui.panes.playground.first_questions.first_prompts", read)
    runs.show_pane("playground")
    pane = runs.pane("playground")
    assert isinstance(pane, PlaygroundPane)
    qtbot.waitUntil(lambda: len(notices(pane)) == 1)
    assert "The disk went away." in notices(pane)[0]
    read.broken = False
    pane._show_prompts()
    qtbot.waitUntil(lambda: pane._hint.prompts.count() == 3)


def test_a_page_of_rows_that_breaks_says_so_and_the_others_are_read(
    qtbot: QtBot, owner: QObject, caplog: pytest.LogCaptureFixture
) -> None:
    class Torn:
        """Rows whose first page cannot be read, for a reason nobody thought of."""

        def __len__(self) -> int:
            return 2 * PAGE_ROWS

        def row(self, place: int) -> dict[str, str]:
            if place < PAGE_ROWS:
                raise ValueError("torn")
            return {"prompt": f"p{place}"}

    model = RowsModel(owner)
    model.show(Torn(), ["prompt"])  # type: ignore[arg-type]
    with qtbot.waitSignal(model.dataChanged):
        model.data(model.index(0, 0))
    assert model.data(model.index(0, 0)) == "ValueError: torn"
    with qtbot.waitSignal(model.dataChanged):
        model.data(model.index(PAGE_ROWS, 0))
    assert model.data(model.index(PAGE_ROWS, 0)) == f"p{PAGE_ROWS}"
    assert "torn" in caplog.text
    model.close()


def test_a_measurement_that_failed_is_offered_again(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "One and one?", "answer": "2"}\n')
    window.session.draft.set_model("nobody/not-on-this-computer")
    window.open_data(tmp_path)
    pane: Any = window.pane("data")
    qtbot.waitUntil(lambda: pane._found is not None and pane._found.path == str(tmp_path))
    pane.show_view("statistics")
    qtbot.waitUntil(lambda: any("not on this computer" in said for said in notices(pane._statistics)))
    window.session.draft.set_model("starter")
    pane._statistics._look = Look.of(window.session.draft)
    next(made for made in pane.findChildren(QPushButton) if made.text() == "Measure Again").click()
    qtbot.waitUntil(lambda: pane._statistics._found is not None, timeout=20_000)
    labels = [made.text() for made in pane._statistics.findChildren(QLabel)]
    assert "Measured over every row with the model's tokenizer" in labels
