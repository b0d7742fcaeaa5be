"""The memory bar, the estimate's panel, the live memory and the signal check, as a person sees them."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.estimate.calibration import Calibration
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate
from droid_tune.events import MemoryFacts, Notice, Paused, RunStarted, Step
from droid_tune.machine.host import Host
from droid_tune.runs.state import RunState
from tests.ui.fake_engine import FakeControl, FakeEngine
from ui.main_window import MainWindow
from ui.panes.monitor.live_memory import LiveMemory, memory_of, words_of
from ui.panes.monitor.run_header import spread_words
from ui.panes.setup.check_view import CheckView, figures
from ui.panes.setup.readiness.estimate_panel import EstimatePanel, bar_of, time_words
from ui.panes.setup.readiness.forecasting_methods import by_method
from ui.widgets.episode_view import EpisodeView
from ui.widgets.notice import NoticeBar

#: said of every window of its own when there is no screen
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
MAC = Host(16 * 10**9, 10**10, "Apple M2", 4 * 10**9, "metal")


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def starter_estimate(**values: object) -> Estimate:
    return estimate(resolve(dict(values)), host=MAC, calibration=Calibration())


def test_the_bar_is_full_up_to_the_limit() -> None:
    found = starter_estimate()
    parts, (limit,) = bar_of(found)
    assert [part.label for part in parts] == [
        "Other programs",
        "Model",
        "Sampling",
        "Training, further",
        "Headroom",
    ]
    assert sum(part.count for part in parts) == pytest.approx(limit.at)
    # what the model and both stages take together is the peak
    assert sum(part.count for part in parts[1:4]) == pytest.approx(found.peak_bytes, rel=1e-6)


def test_a_run_beyond_the_limit_has_no_head_room() -> None:
    found = starter_estimate(memory={"budget_mb": 1})
    parts, _ = bar_of(found)
    assert found.verdict == "too_large"
    assert parts[-1].count == 0
    assert {part.tone for part in parts[1:-1]} == {"bad"}


def test_the_time_has_its_range_and_its_basis() -> None:
    words = time_words(starter_estimate())
    assert words.startswith("About ")
    assert " to " in words
    assert words.endswith("a first guess.")


def test_the_panel_shows_both_stages_and_every_method(parent: QWidget) -> None:
    panel = EstimatePanel(parent)
    panel.show_estimate(starter_estimate())
    panel.show_methods(by_method(resolve({}), None))
    shown = texts(panel)
    assert any(text.startswith("Sampling ") for text in shown)
    assert any(text.startswith("Training ") for text in shown)
    assert {"GRPO", "GSPO", "Dr. GRPO", "DAPO", "BNPO", "SFT"} <= set(shown)


def test_supervised_training_takes_less_time_than_reinforcement() -> None:
    found = by_method(resolve({"training": {"batch_size": 4}}), None)
    assert found["sft"].duration.per_step < found["grpo"].duration.per_step


def running(peak: float, foretold: int, pressure: int = 0) -> RunState:
    state = RunState()
    memory = MemoryFacts(
        total_bytes=1000, gpu_limit_bytes=800, budget_bytes=600, estimated_peak_bytes=foretold
    )
    state.apply(
        RunStarted(config={}, total_steps=2, start_step=0, device="cpu", memory=memory, model={}, data={})
    )
    metrics: dict[str, float | None] = {
        "memory/peak_bytes": peak,
        "memory/active_bytes": 100.0,
        "memory/cache_bytes": 50.0,
        "memory/process_bytes": 900.0,
        "memory/pressure": float(pressure),
    }
    state.apply(Step(step=1, metrics=metrics))
    return state


def test_live_memory_is_set_against_the_estimate() -> None:
    words = words_of(running(peak=300, foretold=400), 300)
    assert "25% below the estimate" in words
    assert "900 bytes" in words
    parts, marks, total = memory_of(running(peak=300, foretold=400), 300)
    assert [part.count for part in parts] == [100, 200, 50]
    assert [mark.at for mark in marks] == [400, 600]
    assert total == 600


def test_the_systems_pressure_is_said(parent: QWidget) -> None:
    shown = LiveMemory(parent)
    shown.show_state(running(peak=300, foretold=0, pressure=2))
    assert shown.words.endswith("The system is critically short of memory.")
    assert "estimate" not in shown.words


def test_nothing_is_shown_before_the_first_step(parent: QWidget) -> None:
    shown = LiveMemory(parent)
    shown.show_state(RunState())
    assert not shown.isVisibleTo(parent)


def test_a_run_held_for_want_of_memory_is_paused_in_the_window(window: MainWindow) -> None:
    session = window.session
    session.engine_run.state = running(300, 400)
    session.engine_run.apply(Notice(level="error", code="memory_hold", text="Held."))
    assert session.paused


def test_a_run_that_waits_to_be_mended_says_so_with_continue_and_stop(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, control = window.session, FakeControl()
    monkeypatch.setattr(engine, "control", lambda: control)
    engine.hold_at = 2
    session.train(resolve({"training": {"iterations": 4}}))
    assert control.attended
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    control.request_pause()
    session.engine_run.apply(Paused(step=2, reason="disk", text="No space is left.", remedy="Free some."))

    def held() -> list[NoticeBar]:
        return [bar for bar in window._banners.bars() if bar.text == "Paused: No space is left."]

    (bar,) = held()
    assert (session.paused, bar.remedy) == (True, "Free some.")
    bar.chosen.emit("Continue")
    assert control.running.is_set()
    assert not held()
    session.engine_run.apply(Paused(step=2, reason="disk", text="No space is left."))
    held()[0].chosen.emit("Stop and Save")
    assert control.stopped.is_set()
    qtbot.waitUntil(lambda: not session.training)
    assert not held()


def check_of(window: MainWindow, qtbot: QtBot) -> CheckView:
    window.show_pane("setup")
    pane = window.pane("setup")
    pane._check_signal()  # pyright: ignore
    view = window.findChild(CheckView)
    assert view is not None
    qtbot.waitUntil(lambda: view._close.text() == "Close")
    return view


def test_the_check_shows_rates_answers_and_remedies_to_click(window: MainWindow, qtbot: QtBot) -> None:
    view = check_of(window, qtbot)
    shown = texts(view)
    assert "It may learn little" in shown
    assert "25%" in shown  # one of four is right
    assert "50%" in shown  # one of two prompts is right at least once
    remedy = next(made for made in view.findChildren(QPushButton) if made.text().startswith("Sample 16"))
    remedy.click()
    assert window.session.draft.value("method.group_size") == 16


def test_the_check_of_a_run_with_tools_shows_its_episodes_turn_by_turn(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.session.draft.set_environment("tools", {"path": "shop"})
    view = check_of(window, qtbot)
    shown = texts(view)
    assert len(view.findChildren(EpisodeView)) == 4
    assert 'price(item="pears")' in shown
    assert "Cut: turns" in shown
    assert any("not trained" in text for text in shown)
    assert dict(pairwise(shown))["Calls of tools"] == "5, 3 failed"


def test_what_a_check_says_of_episodes_is_json() -> None:
    config = resolve({"environment": {"type": "tools", "path": "shop"}})
    told = FakeEngine().check(config, 8, None, lambda _: None).to_json()
    turns = json.loads(json.dumps(told))["measured"]["groups"][0]["completions"][0]["turns"]
    assert turns[0]["calls"] == [{"name": "price", "arguments": {"item": "pears"}}]


def test_a_check_that_cannot_be_made_is_one_sentence(window: MainWindow, qtbot: QtBot) -> None:
    engine = window.session.engine
    assert isinstance(engine, FakeEngine)
    engine.failure = UserError("No row fits.")
    view = check_of(window, qtbot)
    assert "No row fits." in texts(view)
    view.reject()


def test_figures_leave_out_what_was_not_judged() -> None:
    report = FakeEngine().check(resolve({}), 8, None, lambda _: None)
    assert dict(figures(report))["Peak memory"] == "5.0 MB"
    assert "Right answers" in dict(figures(report))


def test_the_time_left_has_a_range_once_some_steps_are_known() -> None:
    state = running(300, 400)
    state.total_steps = 100
    assert spread_words(state) == ""
    for step, seconds in enumerate((10.0, 10.0, 20.0, 20.0), start=2):
        state.apply(Step(step=step, metrics={"step_time": seconds}, time=state.changed_at + seconds))
    words = spread_words(state)
    assert words.startswith("Between ")
    assert " and " in words
