"""The queue in the window: one run after another, over stops, relaunches and failures, and the list that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from droid_tune.config import RunConfig, resolve
from droid_tune.paths import RunPaths
from droid_tune.queue.queue_turns import at_work, begin_turn
from droid_tune.queue.run_queue import RunQueue
from droid_tune.runs.disk.lock import RunLock
from tests.ui.fake_engine import FakeEngine
from ui.main_window import MainWindow
from ui.panes.runs.pane import RunsPane
from ui.session import Session
from ui.settings import Settings


def named(name: str, steps: int = 3) -> RunConfig:
    return resolve({"name": name, "training": {"iterations": steps}})


def states() -> dict[str, str]:
    return {run.name: run.state for run in RunQueue().runs()}


def settled(session: Session) -> bool:
    return not session.training and not session.queue.works


def steps_of(folder: Path) -> int:
    return int(json.loads((folder / "status.json").read_text())["step"])


def test_runs_train_one_after_the_other(session: Session, qtbot: QtBot) -> None:
    for name in "ab":
        session.enqueue(named(name))
    assert not session.training, "nothing begins unasked"
    session.start_queue()
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": "completed", "b": "completed"}
    assert RunQueue().mode == "off"
    assert session.live_folder == RunQueue().runs()[1].folder


@pytest.mark.parametrize(("cuts", "end"), [(1, "completed"), (99, "failed")])
def test_a_run_whose_engine_is_killed_goes_on_until_it_never_gets_further(
    cuts: int, end: str, session: Session, engine: FakeEngine, qtbot: QtBot
) -> None:
    """As in a terminal's queue; it had failed at once."""
    engine.cut_off_at, engine.cuts = 2, cuts
    session.enqueue(named("a"))
    session.start_queue()
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": end}
    assert len(engine.resumed) == min(cuts + 1, 3)
    said = "ended by SIGKILL. It was begun 3 times without a step forward." if end == "failed" else ""
    assert RunQueue().runs()[0].why.endswith(said)


def test_what_is_added_behind_a_run_begins_when_that_ends(
    session: Session, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.hold_at = 1
    session.train(named("by hand"))
    session.enqueue(named("next"))
    assert states() == {"next": "waiting"}
    engine.hold_at = None
    session.stop()
    qtbot.waitUntil(lambda: states() == {"next": "completed"} and settled(session))


def test_stop_saves_and_pauses_and_start_goes_on_in_the_same_folder(
    session: Session, engine: FakeEngine, qtbot: QtBot
) -> None:
    for name in "ab":
        session.enqueue(named(name))
    engine.hold_at = 2
    session.start_queue()
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    session.stop()
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": "waiting", "b": "waiting"}
    assert RunQueue().mode == "off"
    stopped = RunQueue().runs()[0].folder
    engine.hold_at = None
    session.start_queue()
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": "completed", "b": "completed"}
    assert RunQueue().runs()[0].folder == stopped
    assert stopped is not None
    assert steps_of(stopped) == 3


def test_a_failed_run_does_not_stop_the_others(session: Session, engine: FakeEngine, qtbot: QtBot) -> None:
    for name in "ab":
        session.enqueue(named(name))
    engine.failure = RuntimeError("the GPU is gone")
    session.engine_run.ended.connect(lambda *_: setattr(engine, "failure", None))
    session.start_queue()
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": "failed", "b": "completed"}
    assert "the GPU is gone" in RunQueue().runs()[0].why


@pytest.mark.parametrize(
    ("life", "outside"), [("stopped", False), ("failed", True)], ids=["its settings", "a full disk"]
)
def test_a_run_that_its_settings_or_the_disk_stop_is_held_and_the_next_begins(
    life: str, outside: bool, session: Session, qtbot: QtBot
) -> None:
    for name in "ab":
        session.enqueue(named(name))
    session.start_queue()
    with qtbot.waitSignal(session.life_changed):
        pass
    session.queue.ended(life, "Stopped after step 1.", outside=outside)
    assert states()["a"] == "held"
    assert RunQueue().mode == "on"
    qtbot.waitUntil(lambda: settled(session))
    assert states()["b"] == "completed"


def test_a_queue_that_was_interrupted_goes_on_as_the_window_opens(qtbot: QtBot) -> None:
    queue = RunQueue()
    for name in "ab":
        queue.add(named(name))
    queue.set_mode("on")  # as a killed window leaves it
    relaunched = Session(FakeEngine(), Settings())
    with qtbot.waitSignal(relaunched.told, check_params_cb=lambda level, text, _: "goes on" in text):
        relaunched.go_on_with_queue()
    qtbot.waitUntil(lambda: settled(relaunched))
    assert states() == {"a": "completed", "b": "completed"}
    relaunched.deleteLater()


def test_a_run_that_the_child_of_a_killed_queue_still_saves_is_waited_for(
    session: Session, qtbot: QtBot
) -> None:
    queue = RunQueue()
    queue.add(named("a"))
    with at_work(queue):
        begun = begin_turn(queue)
    assert begun is not None
    with RunLock(RunPaths(Path(begun.run)).lock):
        session.start_queue()
        qtbot.wait(300)
        assert not session.training
    qtbot.waitUntil(lambda: settled(session))
    assert states() == {"a": "completed"}


def test_a_paused_queue_waits_as_the_window_opens(session: Session) -> None:
    RunQueue().add(named("a"))
    session.go_on_with_queue()
    assert not session.queue.works
    assert states() == {"a": "waiting"}


def test_closing_the_window_saves_the_run_and_keeps_the_queue_going(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    for name in "ab":
        window.session.enqueue(named(name))
    engine.hold_at = 1
    window.session.start_queue()
    qtbot.waitUntil(lambda: window.session.live is not None and window.session.live.step == 1)
    window.stop_and_close()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert states() == {"a": "waiting", "b": "waiting"}
    assert RunQueue().mode == "on", "the next start goes on"


def test_a_queue_that_a_terminal_works_off_is_only_shown(session: Session, qtbot: QtBot) -> None:
    queue = RunQueue()
    queue.add(named("a"))
    with at_work(queue):
        queue.set_mode("on")
        session.go_on_with_queue()
        with qtbot.waitSignal(session.queue.changed):
            session.queue.read()
        assert (session.queue.works, session.queue.works_elsewhere) == (False, True)


@pytest.fixture
def pane(window: MainWindow) -> RunsPane:
    window.show_pane("runs")
    found = window.pane("runs")
    assert isinstance(found, RunsPane)
    return found


def test_the_list_is_seen_moved_held_back_and_emptied(
    window: MainWindow, pane: RunsPane, qtbot: QtBot
) -> None:
    queue, desk = pane._queue, window.session.queue
    assert not queue.isVisible()
    for name in "abc":
        window.session.enqueue(named(name))
    qtbot.waitUntil(lambda: queue.isVisible() and len(desk.runs) == 3)
    queue._choose(desk.runs[2].id)
    queue._actions["up"].click()
    qtbot.waitUntil(lambda: [run.name for run in desk.runs] == ["a", "c", "b"])
    assert queue._chosen() is not None
    queue._actions["hold"].click()
    qtbot.waitUntil(lambda: desk.runs[1].state == "held")
    queue._actions["remove"].click()
    qtbot.waitUntil(lambda: [run.name for run in desk.runs] == ["a", "b"])
    assert "2 runs waiting" in queue._state.text()
    queue._choose(desk.runs[0].id)
    queue._list.setFocus()
    qtbot.keyClick(queue._list, Qt.Key.Key_Backspace)  # the Mac's delete key
    qtbot.waitUntil(lambda: [run.name for run in desk.runs] == ["b"])


def test_a_run_that_nobody_works_on_any_more_is_not_called_training(
    window: MainWindow, pane: RunsPane, qtbot: QtBot
) -> None:
    kept = RunQueue()
    kept.add(named("a"))
    with at_work(kept):
        begin_turn(kept)  # and the window is killed
    window.session.queue.read()
    queue, desk = pane._queue, window.session.queue
    qtbot.waitUntil(lambda: bool(desk.runs))
    entry = queue._entries.entry(queue._entries.place_of(desk.runs[0].id))
    assert entry is not None
    assert (desk.runs[0].state, entry.detail) == ("running", "Interrupted")
    queue._choose(desk.runs[0].id)
    assert not queue._actions["hold"].isEnabled()
    queue._actions["remove"].click()
    qtbot.waitUntil(lambda: not desk.runs)


def test_the_run_of_the_setup_pane_is_added(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    assert window._toolbar.enqueue.isVisible()
    window._toolbar.enqueue.click()
    assert list(states().values()) == ["waiting"]
    window.show_pane("runs")
    assert not window._toolbar.enqueue.isVisible()


def test_many_additions_are_one_banner_with_their_count(window: MainWindow) -> None:
    for _ in range(3):
        window.enqueue()
    (bar,) = window._banners.bars()
    assert (bar.text, bar.remedy) == ("Added to the queue.", "3 runs waiting. Start the queue in Runs.")


def test_a_draft_at_fault_is_said_and_not_added(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    window.session.draft.set("training.iterations", 0)
    window.enqueue()
    assert states() == {}
    assert window.current_key() == "setup"
