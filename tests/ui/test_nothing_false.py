"""What the window says is of the run that is shown, and goes when it is no longer true."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config import RunConfig, resolve
from droid_tune.events import RunFinished, RunStarted, Step
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from ui.frame.activity import activity_words
from ui.main_window import MainWindow
from ui.panes.monitor.chart_specs import sections_of
from ui.panes.monitor.pane import MonitorPane
from ui.panes.monitor.run_header import foot_words
from ui.theme import Theme, current_theme
from ui.widgets.basics import button, row
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.charting.curve_set import colors_of
from ui.widgets.figure import Figure
from ui.widgets.state_chip import StateChip
from ui.work.run_reading import read_run

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def test_the_toolbar_tells_of_the_run_that_is_shown(
    window: MainWindow, engine: FakeEngine, data_home: Path, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    window.train()
    qtbot.waitUntil(lambda: window.session.live is not None and window.session.live.step == 2)
    other = write_run(data_home / "runs" / "other", complete(60))
    window.session.show_run(other)
    qtbot.waitUntil(lambda: window.session.shown_folder == other)
    said = window._toolbar.activity._words.text()
    assert said.startswith("GRPO starter: Step 2")  # it trains, and the panes draw another one
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.training)
    window._toolbar.show_activity()
    assert window._toolbar.activity._words.text() == "Ready"
    window.session.show_live()
    assert window._toolbar.activity._words.text().startswith("Stopped and saved at step 2")


def test_a_run_whose_engine_was_killed_is_interrupted_everywhere_and_offers_resume_once(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    """The chip said Failed, the banner and the list interrupted, and two buttons Resume."""
    engine.cut_off_at = 2
    window.train()
    qtbot.waitUntil(lambda: [run.state for run in window.session.runs] == ["interrupted"])
    assert window.session.shown.life == "interrupted"
    assert window._toolbar.activity._words.text().startswith("Interrupted at step 2")
    pane = window.pane("monitor")
    assert isinstance(pane, MonitorPane)
    pane.refresh()  # else on the window's beat
    chips = [one.text() for one in pane.findChildren(StateChip) if one.isVisible()]
    assert chips == ["Interrupted"]
    assert "ended by SIGKILL" in foot_words(window.session.shown)
    buttons = [one for one in window.findChildren(QPushButton) if one.text() == "Resume" and one.isVisible()]
    assert len(buttons) == 1


def test_a_run_that_stopped_before_its_first_step_tells_no_step(qtbot: QtBot) -> None:
    state = RunState().apply_all(
        [RunStarted(config={}, total_steps=6), RunFinished(outcome="stopped", step=0)]
    )
    assert activity_words(state, stopping=False) == "Stopped before the first step"


def test_the_banner_of_a_run_that_waits_goes_when_the_queue_begins(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.hold_at = 1
    window.enqueue()
    assert [bar.text for bar in window._banners.bars()] == ["Added to the queue."]
    window.session.start_queue()
    qtbot.waitUntil(lambda: window.session.queue.training is not None)
    qtbot.waitUntil(lambda: "Added to the queue." not in [bar.text for bar in window._banners.bars()])
    window.session.pause_queue()
    qtbot.waitUntil(lambda: not window.session.training)


def test_a_faulty_config_is_forgotten_once_a_good_one_is_read(window: MainWindow, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("name: [3\n")
    good.write_text("iters: 7\n")
    window.import_config(bad)
    assert any("bad.yaml" in bar.text for bar in window._banners.bars())
    window.import_config(good)
    assert not any("bad.yaml" in bar.text for bar in window._banners.bars())


@pytest.mark.parametrize(("method", "first"), [("sft", "Loss"), ("dpo", "Preferred rightly")])
def test_the_charts_of_the_method_are_there_before_its_first_event(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, method: str, first: str
) -> None:
    monkeypatch.setattr(FakeEngine, "_go", lambda *_: None)
    window.show_pane("monitor")
    window.session.train(RunConfig.model_validate({"method": {"type": method}}))
    pane = window.pane("monitor")
    assert isinstance(pane, MonitorPane)
    pane.refresh()
    assert window.session.shown.method == method
    assert pane.board.charts[0].spec.title == first


def test_a_run_without_events_is_shown_with_its_settings(data_home: Path) -> None:
    folder = write_run(data_home / "runs" / "new", iter(()))
    assert read_run(folder).method == "grpo"


def test_a_run_that_failed_before_it_began_keeps_its_name_and_tells_why_there_is_nothing_to_compare(
    window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    failed = RunFinished(outcome="failed", step=0, why="The folder has no train file.")
    folder = write_run(data_home / "runs" / "failed", iter((failed,)), state="failed")
    assert (read_run(folder).method, read_run(folder).life) == ("grpo", "failed")
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.session.show_run(folder)
    qtbot.waitUntil(lambda: window.session.shown_folder == folder)
    window.show_pane("result")
    said = [made.text() for made in window.pane("result").findChildren(QLabel)]
    assert read_run(folder).name in said
    qtbot.waitUntil(
        lambda: any(
            "ended before its first step" in made.text()
            for made in window.pane("result").findChildren(QLabel)
        )
    )
    window.show_pane("runs")
    assert not window.pane("runs")._actions["try"].isEnabled()


def test_a_run_that_samples_nothing_is_told_by_what_it_has(
    window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    """No speed of sampling, and no chart that stays empty to the end."""
    learnt = {"loss": 0.5, "num_tokens": 600.0, "step_time": 2.0}
    begun = RunStarted(config=resolve({"method": "sft"}).model_dump(mode="json"), total_steps=2)
    steps = [Step(step=step, metrics=learnt) for step in (1, 2)]
    folder = write_run(data_home / "runs" / "imitates", iter([begun, *steps]))
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(folder)
    window.show_pane("monitor")
    pane = window.pane("monitor")
    assert isinstance(pane, MonitorPane)
    assert "Training speed: 300 tokens/s" in [one.accessibleName() for one in pane.findChildren(Figure)]
    told = [line.metric for spec in sections_of("sft")["learning"] for line in spec.lines]
    assert "eval/accuracy" not in told


def test_the_corner_tells_every_curve(qtbot: QtBot) -> None:
    spec = ChartSpec("Loss", (Line("loss", "Training"), Line("eval/loss", "Held-out")))
    holder = QWidget()
    qtbot.addWidget(holder)
    chart = Chart(spec, holder)
    found = {name: Series() for name in ("loss", "eval/loss")}
    found["loss"].append(3, 0.25)
    found["eval/loss"].append(3, 0.5)
    chart.show_series(found, 0.0)
    first, second = colors_of(chart.spec)
    assert (
        chart._head.value.text()
        == f'<span style="color:{first}">0.25</span> · <span style="color:{second}">0.5</span>'
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_that_stays_has_no_room_beyond_what_shares_can_be(qtbot: QtBot, value: float) -> None:
    spec = ChartSpec(
        "Groups", (Line("groups/mixed", "Mixed"), Line("groups/all_right", "Right")), stacked=True
    )
    holder = QWidget()
    qtbot.addWidget(holder)
    chart = Chart(spec, holder)
    holder.show()
    series = {name: Series() for name in ("groups/mixed", "groups/all_right")}
    for step in (1, 2):
        series["groups/mixed"].append(step, value)
        series["groups/all_right"].append(step, 0.0)
    chart.show_series(series, 0.0)
    _, (low, high) = chart._plot.box.childrenBounds()
    assert 0 <= low < high <= 1


def test_a_window_opens_with_the_keyboard_on_its_panes(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.focusWidget() is window._sidebar._list)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_a_primary_button_with_the_keyboard_has_one_ring_that_is_seen(
    theme: Theme, qtbot: QtBot, look: str
) -> None:
    theme.apply(look)  # pyright: ignore[reportArgumentType]
    try:
        page = QWidget()
        qtbot.addWidget(page)
        beside = row(page, margins=20)
        made: list[QPushButton] = [button("Train", "primary", parent=page), button("Other", parent=page)]
        for one in made:
            beside.addWidget(one)
        page.show()
        page.activateWindow()
        made[0].setFocus()
        qtbot.waitUntil(made[0].hasFocus)
        image = made[0].grab().toImage()
        across = [image.pixelColor(x, image.height() // 2).name() for x in range(8)]
        tokens = current_theme().tokens
        assert across[0] == across[1] == tokens.text
        assert set(across[3:]) == {tokens.accent}
    finally:
        theme.apply("light")
