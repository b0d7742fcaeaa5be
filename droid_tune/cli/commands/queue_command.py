"""`droid-tune queue`: runs that wait for their turn, one after the other, over nights and crashes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from droid_tune import words
from droid_tune.cli.consent import ask_about_run
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import amount, print_json, print_table, say
from droid_tune.cli.run_arguments import add_run_arguments, asked_config
from droid_tune.errors import UsageError

if TYPE_CHECKING:
    from droid_tune.control import Control
    from droid_tune.events import Event
    from droid_tune.queue.queued_run import QueuedRun
    from droid_tune.queue.run_queue import RunQueue
    from droid_tune.queue.training_child import TurnEnded

HELP = "let runs wait and train one after the other: add, list, start, pause, release, move, remove, clear"
#: what the user says of a place in the queue
WHERE = "first, last, up, down or a number from 1 on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, description=text)
        made.add_argument("--json", action="store_true", help="the queue after it as one JSON document")
        return made

    adding = action("add", "put a run at the end; it is checked now and trained at its turn")
    add_run_arguments(adding)
    adding.add_argument("--run", metavar="RUN", help="a run that was stopped, to go on at its turn")
    action("list", "the runs in their order")
    starting = action("start", "train what waits, here, one after the other; Ctrl-C saves and ends")
    starting.add_argument("--events", action="store_true", help="print the runs' events on stdout")
    pausing = action("pause", "save and stop the run that trains and begin no other; or hold one run back")
    pausing.add_argument("entry", nargs="?", metavar="ENTRY", help="hold only this run back")
    pausing.add_argument("--after-run", action="store_true", help="let the run that trains end first")
    releasing = action("release", "let a run wait again that was held back or that failed")
    releasing.add_argument("entry", metavar="ENTRY", help="its number in the list, its name or its id")
    moving = action("move", "give a run another place")
    moving.add_argument("entry", metavar="ENTRY", help="its number in the list, its name or its id")
    moving.add_argument("where", metavar="WHERE", help=WHERE)
    removing = action("remove", "take a run out of the queue; what it trained stays among the runs")
    removing.add_argument("entry", metavar="ENTRY", help="its number in the list, its name or its id")
    action("clear", "take out what has ended")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 done, 1 where a run failed or is held for a fault beside it, 130 stopped. Raises UserError, UsageError."""
    from droid_tune.queue.run_queue import RunQueue

    queue = RunQueue()
    if arguments.action == "start":
        return start(queue, arguments)
    done = ACTIONS[arguments.action](queue, arguments)
    if arguments.json:
        print_json(described_queue(queue))
    elif done:
        say(done)
    return 0


def add(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """Check the run as `train` would, and put it at the end."""
    from droid_tune.cli.preparation import check_model, check_trackers, open_data
    from droid_tune.runs.folder import find_run, read_config, summarise

    if arguments.run:
        folder = find_run(arguments.run)
        if not summarise(folder).resumable:
            raise UsageError(f"The run {folder.name} has nothing left to do, or is training", place="--run")
        config = read_config(folder)
        ask_about_run(folder, config, trusted=arguments.trust)
        added = queue.add(config, folder)
    else:
        config = asked_config(arguments)
        check_model(config)
        check_trackers(config)
        open_data(config)
        added = queue.add(config)
    waiting = sum(one.state == "waiting" for one in queue.runs())
    return (
        f"added {added.id}; {words.count(waiting, 'run')} waiting (droid-tune queue start). "
        "Its folder among the runs is made when it begins: `droid-tune queue list` tells which."
    )


def show(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """The list on stdout."""
    runs = queue.runs()
    if arguments.json:
        return ""
    if not runs:
        return "The queue is empty; `droid-tune queue add --config RUN.yaml` puts a run into it."
    print_table(
        ("#", "NAME", "STATE", "STEP", "ACCURACY", "ADDED", "RUN", ""),
        [row(number, one) for number, one in enumerate(runs, start=1)],
        right=(0, 3, 4),
    )
    return {"on": "", "last": "Nothing begins after the run that trains.", "off": "The queue is paused."}[
        queue.mode
    ]


def row(number: int, one: QueuedRun) -> tuple[str, ...]:
    """One line of the list."""
    summary = one.summary
    steps = f"{summary.step}/{summary.total_steps}" if summary is not None else "-"
    accuracy = (summary.metrics or {}).get("eval/accuracy") if summary is not None else None
    added = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.added))
    run = one.folder.name if one.folder is not None else "-"
    return (str(number), one.name, one.state, steps, amount(accuracy, "share"), added, run, one.why)


def pause(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """Hold one run back, or halt the queue."""
    if arguments.entry:
        held = queue.find(arguments.entry)
        queue.hold(held)
        return f"{held.name} is held back (droid-tune queue release {held.id})"
    queue.set_mode("last" if arguments.after_run else "off")
    return "paused (droid-tune queue start goes on)"


def release(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """Let a run wait again."""
    released = queue.find(arguments.entry)
    queue.release(released)
    return f"{released.name} waits"


def move(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """Give a run another place."""
    from droid_tune.queue.run_queue import Direction

    where: str = arguments.where
    if not (where in get_args(Direction) or (where.isdecimal() and int(where) >= 1)):
        raise UsageError(f"`{where}` is no place in the queue", remedy=f"say {WHERE}")
    moved = queue.find(arguments.entry)
    queue.move(moved, int(where) if where.isdecimal() else where)  # pyright: ignore[reportArgumentType]
    place = [one.id for one in queue.runs()].index(moved.id) + 1
    return f"{moved.name} is number {place} now"


def remove(queue: RunQueue, arguments: argparse.Namespace) -> str:
    """Take a run out."""
    removed = queue.find(arguments.entry)
    queue.remove(removed)
    return f"{removed.name} is taken out"


def clear(queue: RunQueue, _arguments: argparse.Namespace) -> str:
    """Take out what has ended."""
    return f"{words.count(queue.clear(), 'run')} taken out"


ACTIONS: dict[str, Callable[[RunQueue, argparse.Namespace], str]] = {
    "add": add,
    "list": show,
    "pause": pause,
    "release": release,
    "move": move,
    "remove": remove,
    "clear": clear,
}


def start(queue: RunQueue, arguments: argparse.Namespace) -> int:
    """Work the queue off in this terminal."""
    from droid_tune.control import Control
    from droid_tune.queue.power_wait import PowerGate
    from droid_tune.queue.shift import work_off

    control = Control()
    overseer = TerminalOverseer(control, quiet=arguments.json, as_events=arguments.events)
    with stopping_gracefully(control):
        work_off(queue, overseer, PowerGate(control.stop_requested, say))
    if arguments.json:
        print_json(described_queue(queue))
    elif not arguments.events:
        show(queue, arguments)
    if control.stop_requested():
        say("go on:  droid-tune queue start")
        return STOPPED
    return 1 if overseer.failed else 0


class TerminalOverseer:
    """Shows each turn as `train` would, and passes on the terminal's wish to stop."""

    def __init__(self, control: Control, *, quiet: bool, as_events: bool) -> None:
        self._control, self._quiet, self._as_events = control, quiet, as_events
        self.failed = 0

    def should_stop(self) -> bool:
        """Whether Ctrl-C or SIGTERM came."""
        return self._control.stop_requested()

    @contextmanager
    def turn(self, run: QueuedRun) -> Generator[Callable[[Event], None]]:
        """A run's events as `train` shows them; none where JSON is wished."""
        from droid_tune.cli.driving import Audience, event_lines
        from droid_tune.cli.live_table import listener

        say(f"run {Path(run.run).name}: {run.name}")
        if self._quiet:
            yield lambda _event: None
            return
        with event_lines() if self._as_events else listener() as out:
            yield Audience(out, self._control).apply

    def ended(self, run: QueuedRun, ended: TurnEnded) -> None:
        """Say what is no completion."""
        self.failed += ended.end == "failed" or ended.outside
        if ended.end != "completed":
            say(f"{run.name}: {ended.end.replace('_', ' ')}. {ended.why}".rstrip())


def described_queue(queue: RunQueue) -> dict[str, Any]:
    """The queue for programs; times are seconds since 1970."""
    return {
        "mode": queue.mode,
        "working": queue.has_worker,
        "runs": [described_entry(number, one) for number, one in enumerate(queue.runs(), start=1)],
    }


def described_entry(number: int, one: QueuedRun) -> dict[str, Any]:
    """One run of the queue for programs; `run` is its id among the runs once it began."""
    summary = one.summary
    return {
        "number": number,
        "id": one.id,
        "name": one.name,
        "state": one.state,
        "why": one.why,
        "added": one.added,
        "run": Path(one.run).name if one.run else None,
        "folder": one.run or None,
        "step": summary.step if summary is not None else 0,
        "total_steps": summary.total_steps if summary is not None else None,
        "metrics": (summary.metrics if summary is not None else None) or {},
    }
