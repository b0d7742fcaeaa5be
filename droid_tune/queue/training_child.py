"""One turn in a process of its own: whatever becomes of it, the queue lives and the memory comes back."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from droid_tune.errors import UserError
from droid_tune.events import Event, RunFinished, event_of
from droid_tune.machine.child_lines import lines_of
from droid_tune.machine.own_process import own_command, own_environment
from droid_tune.queue.queue_turns import LOOK_EVERY_S, QueueEnd


@dataclass(frozen=True)
class TurnEnded:
    """How a turn ended, and why where it is no completion. `refused`: the child touched nothing of the run; `outside`: it is
    held for what lies beside the run, such as a full disk."""

    end: QueueEnd
    why: str = ""
    refused: bool = False
    outside: bool = False


def train_in_child(folder: Path, hear: Callable[[Event], None], should_stop: Callable[[], bool]) -> TurnEnded:
    """Train a run to its end by `droid-tune resume`, in a session of its own so that a terminal's Ctrl-C is ours alone.

    A wish to stop is passed on once: the run saves and ends. Where this process is killed instead, the child's reader is
    gone, which it takes for the same wish. Raises UserError where no process can be started.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(folder, errors)
        asked, finished = False, None
        try:
            for line in lines_of(process, LOOK_EVERY_S):
                if not asked and should_stop():
                    asked = True
                    process.send_signal(signal.SIGINT)
                event = event_of(line)
                finished = event if isinstance(event, RunFinished) else finished
                if event is not None:
                    hear(event)
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        return _outcome(process.returncode, finished, asked, errors)


def _start(folder: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            own_command("resume", str(folder), "--events"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=own_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"No process for the run can be started: {error.strerror or error}") from error


def _outcome(code: int, finished: RunFinished | None, asked: bool, errors: IO[bytes]) -> TurnEnded:
    if finished is not None:
        if finished.outcome == "interrupted":
            return TurnEnded("cut_off", finished.why)
        refused = not finished.seq  # what is logged has a number
        if finished.outcome == "failed" and finished.outside:
            return TurnEnded("held", finished.why, refused, outside=True)
        return TurnEnded(finished.outcome, finished.why, refused)
    if asked:
        return TurnEnded("stopped")
    if code < 0:
        return TurnEnded("cut_off", f"Its process was ended by {signal.Signals(-code).name}.")
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    last = said[-1].removeprefix("droid-tune: ") if said else f"Its process ended with code {code}."
    return TurnEnded("failed", last, refused=True)
