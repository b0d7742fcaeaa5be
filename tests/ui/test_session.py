"""The session: one engine at most, every ending said, runs read off the GUI thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThreadPool
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.events import Notice
from droid_tune.runs.origin.identity import Identity, keep_identity
from tests.ui.fake_engine import FakeControl, FakeEngine
from tests.ui.recording import complete, config, recorded, write_run
from ui.background import Task
from ui.frame.changes_sheet import ChangesSheet
from ui.frame.lingering import LINGERING
from ui.main_window import MainWindow
from ui.session import Session
from ui.settings import Settings, load_settings, save_settings
from ui.work.playground_thread import PlaygroundQuestion, PlaygroundThread
from ui.work.run_reading import read_run


@pytest.fixture
def short() -> RunConfig:
    return config(4)


def test_a_second_run_is_refused_while_one_trains(
    session: Session, engine: FakeEngine, short: RunConfig
) -> None:
    engine.hold_at = 1
    session.train(short)
    with pytest.raises(UserError, match="training already"):
        session.train(short)
    with pytest.raises(UserError, match="training already"):
        session.resume(engine.folders[0])


def test_a_users_mistake_that_the_engine_raises_is_one_sentence(
    session: Session, engine: FakeEngine, short: RunConfig, qtbot: QtBot
) -> None:
    engine.failure = UserError("the model folder has no config.json", remedy="choose another one")
    session.train(short)
    qtbot.waitUntil(lambda: not session.training)
    assert session.live is not None
    assert session.live.life == "failed"
    assert session.live.why == "the model folder has no config.json; choose another one."


def test_a_finished_run_is_in_the_list(session: Session, short: RunConfig, qtbot: QtBot) -> None:
    with qtbot.waitSignal(session.runs_changed):
        session.train(short)
    assert [(run.state, run.step) for run in session.runs] == [("completed", 4)]


def test_stopping_a_paused_run_ends_it(
    session: Session, engine: FakeEngine, short: RunConfig, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    session.train(short)
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    session.toggle_pause()
    assert session.paused
    session.stop()
    qtbot.waitUntil(lambda: not session.training)
    assert session.live is not None
    assert session.live.life == "stopped"


def test_a_second_press_of_stop_ends_what_still_runs_at_once(
    session: Session, engine: FakeEngine, short: RunConfig, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = FakeControl()
    monkeypatch.setattr(engine, "control", lambda: control)
    monkeypatch.setattr(control, "request_stop", lambda: None)  # an engine that does not hear
    engine.hold_at = 2
    session.train(short)
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    session.stop()
    assert session.stopping
    assert not control.ended_at_once
    session.stop()
    assert control.ended_at_once
    control.stopped.set()
    qtbot.waitUntil(lambda: not session.training)
    assert session.live is not None
    assert session.live.life == "stopped"


def test_data_and_model_used_are_remembered(session: Session, short: RunConfig, qtbot: QtBot) -> None:
    session.train(short)
    qtbot.waitUntil(lambda: not session.training)
    assert session.settings.recent_data == ["sample"]
    assert session.settings.recent_models == ["starter"]


def test_a_crashed_run_reads_as_interrupted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", recorded(60, until=7), state="running")
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"type": "step", "ste')  # the power went while this was written
    state = read_run(folder)
    assert state.life == "interrupted"
    assert state.step == 7


def test_a_whole_run_reads_as_it_was_live(tmp_path: Path) -> None:
    from droid_tune.runs.state import RunState

    live = RunState().apply_all(complete(60))
    read = read_run(write_run(tmp_path / "run", complete(60)))
    assert read.life == live.life
    assert {name: one.values.tolist() for name, one in read.series.items()} == {
        name: one.values.tolist() for name, one in live.series.items()
    }
    assert read.rollouts.by_step.keys() == live.rollouts.by_step.keys()


def test_an_unreadable_run_is_said(session: Session, tmp_path: Path, qtbot: QtBot) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "events.jsonl").mkdir()  # a folder where a file should be
    with qtbot.waitSignal(session.told) as told:
        session.show_run(folder)
    assert told.args[0] == "error"


def test_a_run_that_is_moved_while_it_trains_is_shown_and_gone_on_with_where_it_is(
    session: Session, engine: FakeEngine, short: RunConfig, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    session.train(short)
    qtbot.waitUntil(lambda: session.shown.step == 2)
    before = engine.folders[0]
    now = before.rename(before.with_name("elsewhere"))
    session.engine_run.apply(Notice(level="info", code="run_moved", text=f"It is {now} now."))
    assert (session.live_folder, session.shown_folder) == (now, now)
    session.stop()
    qtbot.waitUntil(lambda: not session.training)
    assert session.resumable == now


def test_background_work_comes_back_or_says_why(qtbot: QtBot, owner: QObject) -> None:
    told: list[object] = []
    Task(lambda: 7, owner, done=told.append, failed=pytest.fail).start()
    qtbot.waitUntil(lambda: told == [7])

    def fail() -> None:
        raise UserError("no such thing")

    Task(fail, owner, done=pytest.fail, failed=told.append).start()
    qtbot.waitUntil(lambda: told == [7, "no such thing."])
    qtbot.waitUntil(lambda: owner.children() == [])  # tasks go once they have told


def test_a_fault_of_the_disk_names_the_file_and_no_number(
    tmp_path: Path, qtbot: QtBot, owner: QObject
) -> None:
    told: list[str] = []
    Task((tmp_path / "gone").read_bytes, owner, done=pytest.fail, failed=told.append).start()
    qtbot.waitUntil(lambda: told == [f"{tmp_path / 'gone'}: No such file or directory"])


def test_dropped_work_calls_nobody_back(qtbot: QtBot, owner: QObject) -> None:
    told: list[object] = []
    dropped = Task(lambda: 7, owner, done=told.append, failed=told.append).start()
    assert QThreadPool.globalInstance().waitForDone(120_000)
    dropped.drop()  # it has ended, but nobody was told yet
    qtbot.waitUntil(lambda: owner.children() == [])
    assert told == []


def test_the_run_asked_for_last_is_the_one_shown(
    session: Session, tmp_path: Path, short: RunConfig, qtbot: QtBot
) -> None:
    folder = write_run(tmp_path / "run", complete(60))
    session.train(short)
    session.show_run(folder)
    session.show_live()
    assert QThreadPool.globalInstance().waitForDone(120_000)
    qtbot.waitUntil(lambda: not session.training)
    assert session.shown is session.live


def test_a_run_whose_resume_was_given_up_says_nothing_of_its_files(
    session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "events.jsonl").mkdir()  # a folder where a file should be
    told: list[str] = []
    session.told.connect(lambda level, text, remedy: told.append(text))
    session.resume(tmp_path)
    session.stop()
    assert QThreadPool.globalInstance().waitForDone(120_000)
    qtbot.wait(20)
    assert not session.training
    assert told == []


def test_the_playground_answers_as_it_was_and_as_it_is(
    tmp_path: Path, engine: FakeEngine, qtbot: QtBot, owner: QObject
) -> None:
    thread = PlaygroundThread(engine, owner)
    told: list[tuple[int, int, str]] = []
    thread.replied.connect(lambda voice, sample, said: told.append((voice, sample, said.text)))
    thread.start()
    with qtbot.waitSignal(thread.answered):
        thread.ask(PlaygroundQuestion(tmp_path, "Hello?", 0.0, 16))
    thread.let_go()
    assert LINGERING.see_off(120)
    assert told == [(0, 0, "an answer"), (1, 0, "a better answer")]


def test_the_playground_says_what_is_missing_and_goes_on(
    tmp_path: Path, engine: FakeEngine, qtbot: QtBot, owner: QObject
) -> None:
    thread = PlaygroundThread(engine, owner)
    thread.start()
    with qtbot.waitSignals([thread.failed, thread.answered]):
        thread.ask(PlaygroundQuestion(tmp_path / "gone", "Hello?", 0.0, 16))
    with qtbot.waitSignal(thread.replied):
        thread.ask(PlaygroundQuestion(tmp_path, "Hello?", 0.0, 16))
    thread.let_go()
    assert LINGERING.see_off(120)


# --- settings -------------------------------------------------------------------------------------------------------


def test_settings_come_back(tmp_path: Path) -> None:
    kept = Settings(appearance="dark", pane="runs", smoothing=0.6, draft={"method": "sft"})
    kept.keep_geometry(b"\x01\x02")
    kept.remember_data("/a")
    save_settings(kept, tmp_path / "deep" / "settings.json")
    again = load_settings(tmp_path / "deep" / "settings.json")
    assert again == kept
    assert again.geometry_bytes() == b"\x01\x02"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "\x00", '{"appearance": "pink", "smoothing": "much", "geometry": 7}'),
        '{"recent_models": [1, null], "smoothing": NaN, "dismissed_runs": {"a": 1}}',
    ],
)
def test_damaged_settings_are_like_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    assert load_settings(file) == Settings()


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_damaged_settings_are_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    file, told = tmp_path / "settings.json", list[str]()
    file.write_bytes(content)
    assert load_settings(file, told.append) == Settings()
    assert not file.exists()
    assert (tmp_path / "settings.json.bak").read_bytes() == content
    (sentence,) = told
    assert "set aside as settings.json.bak" in sentence


def test_settings_that_the_disk_does_not_give_are_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, told = tmp_path / "settings.json", list[str]()
    save_settings(Settings(pane="runs"), file)
    kept = file.read_bytes()

    def broken(*_: object, **__: object) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", broken)
        assert load_settings(file, told.append) == Settings()
    assert "cannot be read (Input/output error): they were set aside as settings.json.bak" in told[0]
    save_settings(Settings(), file)
    assert (tmp_path / "settings.json.bak").read_bytes() == kept


def test_settings_with_a_mark_of_their_encoding_are_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b"\xef\xbb\xbf" + b'{"pane": "runs"}')
    assert load_settings(file).pane == "runs"


def test_settings_that_cannot_be_written_do_not_stop_the_window(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    save_settings(Settings(), tmp_path / "file" / "settings.json")


def test_recent_things_are_listed_once_the_newest_first() -> None:
    settings = Settings()
    for path in ("/a", "/b", "/a"):
        settings.remember_data(path)
    assert settings.recent_data == ["/a", "/b"]


def test_a_run_that_changed_is_asked_about_before_it_goes_on(
    session: Session,
    engine: FakeEngine,
    short: RunConfig,
    qtbot: QtBot,
    open_window: Callable[[Session], MainWindow],
) -> None:
    window = open_window(session)
    engine.hold_at = 2
    session.train(short)
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    session.stop()
    qtbot.waitUntil(lambda: not session.training)
    engine.hold_at = None
    (folder,) = engine.folders
    keep_identity(folder, Identity({"training": {"iterations": 9}}, (), "", {}, {}, {}, ()))
    (folder / "checkpoints" / "step-000002").mkdir(parents=True, exist_ok=True)

    def asked() -> ChangesSheet:
        session.resume(folder)
        qtbot.waitUntil(lambda: window.findChild(ChangesSheet) is not None)
        sheet = window.findChild(ChangesSheet)
        assert sheet is not None
        assert "`training.iterations` was 9 and is 4 now." in sheet.said
        assert not session.training
        return sheet

    sheet = asked()
    assert any("“GRPO starter”" in one.text() for one in sheet.findChildren(QLabel))
    sheet.close()
    qtbot.waitUntil(lambda: window.findChild(ChangesSheet) is None)
    asked().choose_go_on()
    qtbot.waitUntil(lambda: [(run.state, run.step) for run in session.runs] == [("completed", 4)])


def test_the_monitor_is_there_before_the_engine_begins(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    """MLX is imported in the engine's thread: a pane that is built beside it takes seconds."""
    built: list[bool] = []
    train = engine.train

    def look(*arguments: Any) -> object:
        built.append("monitor" in window._panes.made)
        return train(*arguments)

    engine.train = look  # type: ignore[method-assign]
    window.train()
    qtbot.waitUntil(lambda: not window.session.training)
    assert built == [True]


@pytest.mark.parametrize("step", [0, 3, 6])
def test_a_run_is_gone_on_with_wherever_it_ended_before_its_result(session: Session, step: int) -> None:
    session.shown.life, session.shown.step, session.shown.total_steps = "interrupted", step, 6
    session.shown_run.folder = Path("run")
    assert session.resumable == Path("run")
    session.shown.life = "completed"
    assert session.resumable is None
