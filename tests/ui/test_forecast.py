"""Will it fit: shown before the run, answered by a click where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config import resolve
from droid_tune.estimate.estimate import estimate
from droid_tune.machine.host import Host
from droid_tune.model_files import hub_facts
from tests.hub_server import serving
from ui.background import Task
from ui.main_window import MainWindow
from ui.panes.setup.readiness.estimate_panel import EstimatePanel
from ui.panes.setup.readiness.forecast_strip import ForecastStrip
from ui.panes.setup.readiness.forecasting import Forecaster, forecast_details, forecast_words

ROOMY = Host(
    memory_bytes=16 * 10**9, gpu_limit_bytes=12 * 10**9, chip="Apple M2", used_by_others_bytes=4 * 10**9
)
SMALL = Host(
    memory_bytes=40 * 10**6, gpu_limit_bytes=8 * 10**6, chip="Apple M2", used_by_others_bytes=4 * 10**6
)


def test_the_words_give_memory_time_and_range() -> None:
    said = forecast_words(estimate(resolve({}), host=ROOMY))
    assert " of 9.0 GB · about " in said  # three quarters of the GPU's 12 GB
    assert said.endswith(")")


def test_the_details_name_the_largest_part_first() -> None:
    found = estimate(resolve({}), host=ROOMY)
    lines = forecast_details(found).splitlines()
    assert lines[0] == f"Most memory in: {found.peak.worst}"
    parts = found.peak.parts[found.peak.worst]
    assert lines[1].startswith(max(parts, key=lambda name: parts[name]).replace("_", " "))


def test_a_run_that_does_not_fit_brings_remedies_to_click(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    strip = ForecastStrip(window)
    found = estimate(resolve({}), host=SMALL)
    assert found.verdict != "fits"
    assert found.suggestions
    strip.show_estimate(found)
    with qtbot.waitSignal(strip.applied) as applied:
        strip._remedies.itemAt(0).widget().click()
    assert applied.args == [found.suggestions[0].values]


def test_the_setup_pane_forecasts_its_draft(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    qtbot.waitUntil(lambda: pane._footer.forecast.isVisible())
    assert pane._footer.forecast._chip.text() == "Fits"
    assert "about" in pane._footer.forecast._words.text()
    pane.edits.apply_remedy({"method.group_size": 2})
    assert window.session.draft.value("method.group_size") == 2


def test_of_several_questions_only_the_newest_is_answered(qtbot: QtBot) -> None:
    owner = QObject()
    forecaster = Forecaster(owner)
    told: list[int] = []
    forecaster.told.connect(lambda found: told.append(found.job.group_size))
    with qtbot.waitSignal(forecaster.compared):
        for size in (2, 4, 8):
            forecaster.ask(resolve({"method": {"group_size": size}}))
    assert set(told) == {8}
    qtbot.waitUntil(lambda: len(owner.findChildren(Task)) <= 1)  # that which measured the data


def test_the_methods_are_compared_with_the_run_as_it_is_set(qtbot: QtBot) -> None:
    owner = QObject()
    forecaster = Forecaster(owner)
    with qtbot.waitSignal(forecaster.compared) as compared:
        forecaster.ask(resolve({"method": {"group_size": 2}}))
    assert compared.args[0]["grpo"].job.group_size == 2
    assert "sft" in compared.args[0]


def test_a_model_without_weights_is_a_fault_on_the_page(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    pane.edits.choose_model(str(tmp_path))
    assert pane._footer.summary.text().startswith(f"Model: {tmp_path}: config.json is missing")
    assert not pane._footer.forecast.isVisible()


def test_a_model_that_nobody_knows_never_fits(qtbot: QtBot) -> None:
    """Not on disk and no network: the chip, the bar, the words and the table of methods all say so."""
    found = estimate(resolve({"model": {"path": "meta-llama/Llama-3.3-70B-Instruct"}}), host=ROOMY)
    window = QWidget()
    qtbot.addWidget(window)
    strip, panel = ForecastStrip(window), EstimatePanel(window)
    strip.show_estimate(found)
    panel.show_estimate(found)
    panel.show_methods({"grpo": found})
    assert strip._chip.text() == "Unknown"
    assert "not known" in strip._words.text()
    assert not strip._bar._shares[1]
    assert [part.label for part in panel._bar.shown] == ["Other programs"]
    shown = [one.text() for one in panel.findChildren(QLabel)]
    assert "–" in shown
    assert not [text for text in shown if " MB" in text or " GB" in text or " per step" in text]


def test_the_setup_pane_asks_the_hub_once_and_follows(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub_facts, "_FETCHED", {})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    window.show_pane("setup")
    pane = window.pane("setup")
    with serving() as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        pane.edits.choose_model("org/large")
        qtbot.waitUntil(lambda: pane._footer.forecast._chip.text() == "Too large", timeout=20_000)
        pane.edits.choose_model("org/missing")
        qtbot.waitUntil(lambda: "has no such model" in pane.page.panel._fault.text(), timeout=20_000)
    assert pane._footer.forecast._chip.text() == "Unknown"
    assert "has no such model" in pane._footer.forecast._words.text()


def test_what_fits_in_memory_is_not_ready_where_no_row_fits(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    row = json.dumps({"prompt": "two and two? " * 20, "answer": "4"}) + "\n"
    (tmp_path / "train.jsonl").write_text(row * 3)
    (tmp_path / "valid.jsonl").write_text(row)
    window.show_pane("setup")
    pane = window.pane("setup")
    window.session.set_data(str(tmp_path))
    pane.edits.apply_remedy({"training.max_seq_length": 64, "sampling.max_completion_length": 16})
    qtbot.waitUntil(lambda: pane._footer.forecast._chip.text() == "No row fits", timeout=30_000)
    qtbot.waitUntil(lambda: "No row fits: all of 3" in said_by(pane._footer.forecast))
    assert "Of 1 held-out prompt 1 is a training prompt" in said_by(pane._footer.forecast)
    raised = next(
        one
        for one in pane._footer.forecast.findChildren(QPushButton)
        if one.text().startswith("Raise the longest")
    )
    raised.click()
    qtbot.waitUntil(lambda: pane._footer.forecast._chip.text() == "Fits", timeout=30_000)


def said_by(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisible())


def test_data_of_which_no_row_can_be_read_is_not_ready_and_leads_to_it(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("Question,Solution\ntwo and two?,4\n")
    window.show_pane("setup")
    forecast = window.pane("setup")._footer.forecast
    window.session.set_data(str(tmp_path))
    qtbot.waitUntil(lambda: forecast._chip.text() == "No usable row", timeout=30_000)
    qtbot.waitUntil(lambda: "No row of this data can be used as it is." in said_by(forecast))
    look = next(one for one in forecast.findChildren(QPushButton) if one.text() == "Look at the Data")
    assert "Question" in look.toolTip()
    look.click()
    assert window.current_key() == "data"
