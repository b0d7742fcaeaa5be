"""Ctrl-C, `--stop-after` and a reader that leaves: each ends a run in its own way."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from droid_tune.cli.driving import called, drive, drive_in
from droid_tune.control import Control
from droid_tune.errors import Stopped, UserError
from droid_tune.events import Event, Notice, Paused, RunFinished, RunStarted, Step, parse_event

pytestmark = pytest.mark.usefixtures("signals_heeded")

RUN = "20260101-grpo"
Emit = Callable[[Event], None]


def training(
    steps: int, during: Callable[[int], None] = lambda _step: None
) -> Callable[[Control, Emit], None]:
    """A stand-in for the engine: counts steps and looks at the control after each."""

    def train(control: Control, emit: Emit) -> None:
        emit(RunStarted(config={}, total_steps=steps))
        for step in range(1, steps + 1):
            emit(Step(step=step, metrics={}))
            during(step)
            if control.stop_requested():
                emit(RunFinished(outcome="stopped", step=step))
                return
        emit(RunFinished(outcome="completed", step=steps))

    return train


def steps_in(lines: str) -> list[int]:
    return [event.step for event in map(parse_event, lines.splitlines()) if isinstance(event, Step)]


def test_a_completed_run_is_done_and_its_events_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert drive(training(3), lambda: RUN, as_events=True, stop_after=None) == 0
    assert steps_in(capsys.readouterr().out) == [1, 2, 3]


def test_a_stop_that_was_asked_for_by_number_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert drive(training(5), lambda: RUN, as_events=True, stop_after=2) == 0
    assert steps_in(capsys.readouterr().out) == [1, 2]


def test_a_run_held_for_want_of_memory_stops_where_nobody_could_let_it_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(control: Control, emit: Emit) -> None:
        emit(Notice(level="error", code="memory_hold", text="The run is saved and paused."))
        control.request_pause()
        outcome = "stopped" if control.stop_requested() else "completed"
        emit(RunFinished.model_validate({"outcome": outcome, "step": 1}))

    assert drive(train, lambda: RUN, as_events=True, stop_after=None) == 130


class Keyboard:
    """What somebody types: a line, or the end of all lines."""

    def __init__(self, typed: str) -> None:
        self.readline = lambda: typed

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("\n", 0), ("", 130)], ids=["Enter", "closed"])
def test_a_run_that_waits_to_be_mended_goes_on_with_enter(
    typed: str, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def train(control: Control, emit: Emit) -> None:
        assert control.attended
        control.request_pause()
        emit(Paused(step=1, reason="disk", text="No space is left.", remedy="Free some."))
        try:
            control.pause_point()
        except Stopped:
            emit(RunFinished(outcome="stopped", step=1))
        else:
            emit(RunFinished(outcome="completed", step=1))

    assert drive(train, lambda: RUN, as_events=True, stop_after=None) == code
    said = capsys.readouterr().err
    assert "paused: No space is left. Free some." in said
    assert "press Enter to continue, Ctrl-C to save and stop" in said


def test_without_a_terminal_nobody_attends(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[bool] = []

    def train(control: Control, emit: Emit) -> None:
        seen.append(control.attended)
        emit(RunFinished(outcome="completed", step=1))

    drive(train, lambda: RUN, as_events=True, stop_after=None)
    assert seen == [False]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_ctrl_c_lets_the_run_save_and_stop(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(step: int) -> None:
        if step == 2:
            os.kill(os.getpid(), number)

    assert drive(training(5, interrupt), lambda: RUN, as_events=True, stop_after=None) == 130
    told = capsys.readouterr()
    assert steps_in(told.out) == [1, 2]
    assert "Ctrl-C again quits at once" in told.err


def test_what_nohup_ignores_stays_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    def hang_up(step: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert drive(training(3, hang_up), lambda: RUN, as_events=True, stop_after=None) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert steps_in(capsys.readouterr().out) == [1, 2, 3]


def test_the_second_ctrl_c_is_the_systems_own() -> None:
    handlers: list[object] = []

    def interrupt(step: int) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    drive(training(5, interrupt), lambda: RUN, as_events=True, stop_after=None)
    assert handlers == [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGINT) == before


def test_a_reward_model_is_used_and_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    def train(_: Control, emit: Emit) -> None:
        emit(RunStarted(config={"method": {"type": "reward"}}, total_steps=1))
        emit(RunFinished(outcome="completed", step=1))

    assert drive(train, lambda: RUN, as_events=False, stop_after=None) == 0
    said = capsys.readouterr().err
    assert f"{{type: reward_model, path: {RUN}}}" in said
    assert "generate" not in said


def test_a_stopped_run_names_the_command_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    drive(training(5), lambda: RUN, as_events=True, stop_after=2)
    assert capsys.readouterr().err == f"go on:  droid-tune resume {RUN}\n"


def test_a_failed_run_says_why_on_stderr_and_has_a_code_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_control: Control, emit: Emit) -> None:
        emit(RunFinished(outcome="failed", step=0, why="No space is left."))

    assert drive(fail, lambda: RUN, as_events=True, stop_after=None) == 1
    assert capsys.readouterr().err == "droid-tune: No space is left.\n"


def test_a_mistake_found_while_starting_reaches_the_caller() -> None:
    def refuse(_control: Control, _emit: Emit) -> None:
        raise UserError("the model folder has no weights")

    with pytest.raises(UserError, match="no weights"):
        drive(refuse, lambda: RUN, as_events=False, stop_after=None)


@pytest.mark.parametrize("as_events", [True, False])
def test_a_reader_that_leaves_stops_the_run(as_events: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`droid-tune train | head`, with `--events` or without: the run is saved, not lost to a broken pipe."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert drive(training(50), lambda: RUN, as_events=as_events, stop_after=None) == 130


def test_a_terminal_that_is_closed_stops_the_run(project_root: Path) -> None:
    """A real one: its other end goes, the system sends SIGHUP, and what is written next fails."""
    code = (
        "import fcntl, termios, time\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "from droid_tune.cli.driving import drive\n"
        "from tests.engine.cli.test_driving import training\n"
        "raise SystemExit(drive(training(500, lambda _: time.sleep(0.02)), lambda: 'r', as_events=False, stop_after=None))"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=project_root,
        start_new_session=True,
    )
    os.close(theirs)
    os.read(ours, 1)
    time.sleep(0.2)
    os.close(ours)
    assert child.wait(60) == 130


def test_without_a_terminal_the_steps_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert drive(training(2), lambda: RUN, as_events=False, stop_after=None) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["step 1/2", "step 2/2"]


def test_a_run_outside_the_list_is_called_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROID_TUNE_HOME", str(tmp_path))
    assert called(tmp_path / "runs" / "brave-run") == "brave-run"
    assert called(tmp_path / "my runs" / "one") == f"'{tmp_path}/my runs/one'"


def test_a_run_whose_folder_was_moved_meanwhile_is_called_by_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    def train(control: Control, emit: Emit) -> None:
        folder.rename(tmp_path / "moved")
        emit(RunFinished(outcome="stopped", step=1))

    assert drive_in(folder, train, as_events=True, stop_after=None) == 130
    assert f"droid-tune resume {tmp_path / 'moved'}" in capsys.readouterr().err
