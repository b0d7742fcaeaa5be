"""Runs the engine in this thread: events to the terminal, Ctrl-C to the engine, the outcome to an exit code."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.cli.ending import DONE, FAILED, STOPPED, stopping_gracefully
from droid_tune.cli.live_table import Listener, listener
from droid_tune.cli.output import say, silence
from droid_tune.events import Event, Notice, Paused, RunFinished, RunStarted, Step, to_line
from droid_tune.paths import runs_dir
from droid_tune.runs.disk.anchor import Anchor

if TYPE_CHECKING:
    from droid_tune.control import Control

Emit = Callable[[Event], None]
#: Something that trains until it is done or `control` says stop, telling `emit`.
Training = Callable[["Control", Emit], object]


def drive_in(
    folder: Path, training: Training, *, as_events: bool, stop_after: int | None, past: Iterable[Event] = ()
) -> int:
    """`drive`, and the run is called by where its folder is at the end: it may have been moved meanwhile."""
    with Anchor(folder) as anchor:
        return drive(
            training,
            lambda: called(anchor.where() or folder),
            as_events=as_events,
            stop_after=stop_after,
            past=past,
        )


def drive(
    training: Training,
    named: Callable[[], str],
    *,
    as_events: bool,
    stop_after: int | None,
    past: Iterable[Event] = (),
) -> int:
    """Train to the end or to a stop, say what can be done next; returns the exit code. `past`: events of a run that goes
    on; `named`: how commands name the run, asked at the end."""
    from droid_tune.control import Control

    control = Control(attended=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty())
    driven = DrivenRun(control, stop_after)
    with stopping_gracefully(control), event_lines() if as_events else listener(past) as out:
        audience = Audience(out, control)

        def emit(event: Event) -> None:
            audience.apply(event)
            driven.apply(event)

        training(control, emit)
    if driven.finished is not None:
        say(next_step(driven.finished, named(), answers=driven.answers))
    return driven.exit_code()


def next_step(finished: RunFinished, run_id: str, *, answers: bool = True) -> str:
    """The line under a finished run: what to type next, or why it failed. A reward model gives no `answers`."""
    match finished.outcome:
        case "completed" if not answers:
            return f"use it: as a reward of another run, `rewards: [{{type: reward_model, path: {run_id}}}]`"
        case "completed":
            return f"try it: droid-tune generate --run {run_id} --prompt '...'"
        case "stopped":
            return f"go on:  droid-tune resume {run_id}"
        case "failed" | "interrupted":
            return f"droid-tune: {finished.why}"


def called(folder: Path) -> str:
    """How a command names the run: by its id where the list has it, else by its folder, quoted for a shell."""
    listed = folder.resolve().parent == runs_dir().resolve()
    return folder.name if listed else shlex.quote(str(folder))


def follow() -> int:
    """Train along as one of several processes (`mlx.launch`); the first of them tells. Returns the exit code."""
    from droid_tune.control import Control
    from droid_tune.train.engine import follow_training

    control = Control()
    with stopping_gracefully(control):
        finished = follow_training(control)
    return {"completed": DONE, "stopped": STOPPED}.get(finished.outcome, FAILED)


class DrivenRun:
    """Counts this session's steps, stops at the last one asked for, remembers how it ended."""

    def __init__(self, control: Control, stop_after: int | None) -> None:
        self._control = control
        self._steps_left = stop_after
        self.finished: RunFinished | None = None
        self.answers = True  # what was trained answers prompts

    def apply(self, event: Event) -> None:
        """Stops after the steps asked for, and where the run is held for memory; remembers how it ended."""
        match event:
            case Step() if self._steps_left is not None:
                self._steps_left -= 1
                if self._steps_left <= 0:
                    self._control.request_stop()
            case Notice(code="memory_hold"):
                # Nobody sits here to say go on: the run is saved, so it ends and can be resumed.
                self._control.request_stop()
            case Paused():
                ask_to_continue(event, self._control)
            case RunStarted(config=config):
                self.answers = config.get("method", {}).get("type") != "reward"
            case RunFinished():
                self.finished = event
            case _:
                pass

    def exit_code(self) -> int:
        """A stop that `--stop-after` asked for is what was wanted: done."""
        match self.finished:
            case RunFinished(outcome="completed"):
                return DONE
            case RunFinished(outcome="stopped"):
                return DONE if self._steps_left is not None and self._steps_left <= 0 else STOPPED
            case _:
                return FAILED


def ask_to_continue(paused: Paused, control: Control) -> None:
    """Say what is to be mended; the run goes on once somebody presses Enter. A terminal that was closed stops it."""

    def wait_for_enter() -> None:
        if sys.stdin.readline():
            control.resume()
        else:
            control.request_stop()

    say(f"paused: {paused.text} {paused.remedy}".rstrip())
    say("press Enter to continue, Ctrl-C to save and stop")
    threading.Thread(target=wait_for_enter, name="enter", daemon=True).start()


class Audience:
    """Whoever reads stdout. One that has left (`| head`, a closed terminal) stops the run, saved, as Ctrl-C would."""

    def __init__(self, out: Listener, control: Control) -> None:
        self._out = out
        self._control = control
        self._has_left = False

    def apply(self, event: Event) -> None:
        """Tell the event to whoever is there still."""
        if self._has_left:
            return
        try:
            self._out.apply(event)
            sys.stdout.flush()
        except OSError:
            self._has_left = True
            silence(sys.stdout)
            self._control.request_stop()


def event_lines() -> AbstractContextManager[Listener]:
    """`--events`: each event on stdout as the line that the run's log has."""
    from contextlib import nullcontext

    return nullcontext(EventLines())


class EventLines:
    """The events as they are, one JSON line each, for another program to read."""

    def apply(self, event: Event) -> None:
        """Writes the event. Raises OSError where the reader has left."""
        sys.stdout.write(to_line(event) + "\n")
