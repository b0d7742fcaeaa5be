"""A run trained in a process of its own: whatever ends that process, this one lives and can go on from a checkpoint."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from droid_tune.control import Control
from droid_tune.events import Continued, Event, Notice, Paused, RunFinished, event_of
from droid_tune.machine.child_lines import lines_of
from droid_tune.machine.isolated import isolated_python
from droid_tune.machine.own_process import own_environment
from droid_tune.names import LAST
from droid_tune.runs.disk.live_runs import trains_for_us
from droid_tune.train.saving.journal import Journal, Listener

_LOOK_S = 0.05


def train_apart(
    folder: Path, control: Control, emit: Listener, further_steps: int | None = None, checkpoint: str = LAST
) -> RunFinished:
    """`resume_training` in another process, for a run that `create_run` made or that stopped. Raises nothing of its own.

    `control` is passed on as it changes. The child says itself how the run ended; where it died, that is told.
    """
    wanted = {
        "folder": str(folder),
        "further_steps": further_steps,
        "checkpoint": checkpoint,
        "attended": control.attended,
    }
    with tempfile.TemporaryFile() as errors:
        try:
            process = _started(json.dumps(wanted), errors)
        except OSError as error:
            return Journal(folder, emit).refuse(
                f"No process for the engine can be started: {error.strerror or error}."
            )
        with process, trains_for_us(process.pid):
            finished = _told(process, _Wishes(process, control), emit)
        return finished or Journal(folder, emit).cut_off(how_it_died(process.returncode, errors))


def _started(wanted: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        isolated_python("droid_tune.train.engine_process", wanted),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=own_environment(),
        start_new_session=True,  # a terminal's Ctrl-C is this process's alone
    )


class _Wishes:
    """What the person wishes, as lines to the child: each once."""

    def __init__(self, process: subprocess.Popen[bytes], control: Control) -> None:
        self._process, self._control = process, control
        self._paused = self._stopped = False
        control.on_stop_now(self._stop_now)

    def pass_on(self) -> None:
        """Tell what has changed since the last look."""
        paused, stopped = self._control.pause_requested(), self._control.stop_requested()
        if stopped and not self._stopped:
            self._say("stop")
        elif paused != self._paused:
            self._say("pause" if paused else "go_on")
        self._paused, self._stopped = paused, stopped

    def mirror(self, event: Event) -> None:
        """A pause that the engine made by itself, so that the person's `resume` is a change to pass on."""
        match event:
            case Paused() | Notice(code="memory_hold"):
                self._control.request_pause()
                self._paused = self._control.pause_requested()
            case Continued():
                self._control.resume()
                self._paused = False
            case _:
                pass

    def _stop_now(self) -> None:
        self._say("stop_now")

    def _say(self, wish: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended
            self._process.stdin.write(wish.encode() + b"\n")
            self._process.stdin.flush()


def _told(process: subprocess.Popen[bytes], wishes: _Wishes, emit: Listener) -> RunFinished | None:
    """Pass events on until the child hangs up; how the run ended, where it said so."""
    finished: RunFinished | None = None
    for line in lines_of(process, _LOOK_S):
        wishes.pass_on()
        event = event_of(line)
        if event is not None:
            wishes.mirror(event)
            emit(event)
            finished = event if isinstance(event, RunFinished) else finished
    return finished


def how_it_died(code: int, errors: IO[bytes]) -> str:
    """`The engine's process was ended by SIGKILL; ...`, with its last words where it left some."""
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    last = f" ({said[-1][:200]})" if said and code >= 0 else ""
    return f"The engine's process {ended}{last}; resume the run: it goes on from its newest checkpoint."
