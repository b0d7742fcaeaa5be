"""The queue on disk: every change is one small file replaced whole, under a lock that is held for that moment.

    queue/ID.yaml      the settings of a run
    queue/ID.json      its state and its place
    queue/mode         on, last (nothing after the run that trains) or off
    queue/worker.lock  held by the process that works the queue off

So a kill at any moment leaves each run as it was before a change or after it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast, get_args

from droid_tune import words
from droid_tune.config import RunConfig, dump_yaml
from droid_tune.config.asking.trust import trust
from droid_tune.errors import UserError
from droid_tune.paths import private_folder, queue_dir
from droid_tune.queue.queued_run import OPEN, QueuedRun, QueueState, read_queued_run, write_queued_run
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, sync_folder, write_text
from droid_tune.runs.disk.lock import is_locked
from droid_tune.runs.folder import children_of, fresh_name, run_name

QueueMode = Literal["on", "last", "off"]
#: where a run is moved to, besides a number from 1 on
Direction = Literal["first", "last", "up", "down"]


class RunQueue:
    """The queue in a folder. Safe between processes; methods raise UserError where the disk or the wish is at fault."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or queue_dir()
        self.worker_lock = self.folder / "worker.lock"

    # --- looking ------------------------------------------------------------------------------------------------

    def runs(self) -> list[QueuedRun]:
        """All of them in their order, those that ended too."""
        found = [read_queued_run(file) for file in children_of(self.folder) if file.suffix == ".yaml"]
        return sorted(found, key=lambda run: (run.place, run.id))

    @property
    def mode(self) -> QueueMode:
        """Whether the next run may begin; whatever odd stands in the file is `off`."""
        try:
            text = (self.folder / "mode").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return "off"
        return cast("QueueMode", text) if text in get_args(QueueMode) else "off"

    @property
    def has_worker(self) -> bool:
        """Whether some process works the queue off now."""
        return is_locked(self.worker_lock)

    def find(self, name: str) -> QueuedRun:
        """A run by its number in the list (from 1), its id or name, or a beginning of its id; one only may fit."""
        runs = self.runs()
        if name.isdecimal() and 1 <= int(name) <= len(runs):
            return runs[int(name) - 1]
        exact = [run for run in runs if run.id == name] or [run for run in runs if run.name == name]
        found = exact or [run for run in runs if name and run.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"`{name}` fits {len(found)} runs of the queue", remedy="say its number in the list"
            )
        raise UserError(
            f"The queue has no run `{name}`; it holds {words.count(len(runs), 'run')}",
            remedy="`droid-tune queue list` shows them",
        )

    def config_file(self, name: str) -> Path:
        """The settings of the run with this id."""
        return self.folder / f"{name}.yaml"

    # --- changing -----------------------------------------------------------------------------------------------

    def add(self, config: RunConfig, run: Path | None = None) -> QueuedRun:
        """Put a run at the end; `run` is the folder of one that is to go on. What it reaches for was asked about."""
        trust(config)  # as it is now: whoever changes the queue's file later is not the person who was asked
        with self.changing():
            runs = self.runs()
            name = fresh_name(config, lambda candidate: self.config_file(candidate).exists())
            last = max((one.place for one in runs), default=0.0)
            made = QueuedRun(
                id=name, name=run_name(config), place=last + 1, added=time.time(), run=str(run or "")
            )
            self.write(made)
            write_text(self.config_file(name), dump_yaml(config), TRY_AGAIN)  # by this it is one of the runs
        return made

    def remove(self, run: QueuedRun) -> None:
        """Take a run out; its folder, if it began, stays among the runs."""
        with self.changing():
            if self.newest(run).state == "running" and self.has_worker:
                raise UserError(f"“{run.name}” is training", remedy="pause the queue first")
            for file in (self.config_file(run.id), self.config_file(run.id).with_suffix(".json")):
                file.unlink(missing_ok=True)
            sync_folder(self.folder)

    def clear(self) -> int:
        """Take out what has ended; how many there were."""
        ended = [run for run in self.runs() if run.state not in OPEN]
        for run in ended:
            self.remove(run)
        return len(ended)

    def move(self, run: QueuedRun, where: Direction | int) -> None:
        """Give a run another place: by a word, or by its number from 1 on."""
        with self.changing():
            others = [one for one in self.runs() if one.id != run.id]
            index = sum((one.place, one.id) < (run.place, run.id) for one in others)
            numbers = {"first": 0, "last": len(others), "up": index - 1, "down": index + 1}
            number = numbers[where] if isinstance(where, str) else where - 1
            self._place(run, others, min(max(number, 0), len(others)))

    def hold(self, run: QueuedRun) -> None:
        """Let the others pass until `release`."""
        self._turn(run, "held", among=("waiting", "held"))

    def release(self, run: QueuedRun) -> None:
        """Let a run wait again that was held back or that failed."""
        self._turn(run, "waiting", among=("held", "failed", "waiting"))

    def set_mode(self, mode: QueueMode) -> None:
        """Let the runs begin, or not any more; whoever works the queue off heeds it within a second."""
        with self.changing():
            write_text(self.folder / "mode", mode, TRY_AGAIN)

    # --- files --------------------------------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Generator[None]:
        """Alone among those that change the queue; the lock ends with the process, however it ends."""
        try:
            private_folder(self.folder)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise disk_error(error, self.folder, TRY_AGAIN) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise disk_error(error, self.folder, TRY_AGAIN) from error
        finally:
            os.close(descriptor)

    def newest(self, run: QueuedRun) -> QueuedRun:
        """As it stands on the disk by now. Raises UserError where it was taken out."""
        config = self.config_file(run.id)
        if not config.exists():
            raise UserError(f"“{run.name}” is not in the queue any more")
        return read_queued_run(config)

    def write(self, run: QueuedRun) -> None:
        """Replace a run's state; while `changing`."""
        write_queued_run(self.config_file(run.id), run)

    def _turn(self, run: QueuedRun, state: QueueState, among: tuple[QueueState, ...]) -> None:
        with self.changing():
            known = self.newest(run)
            if known.state not in among:
                wanted = "wait again" if state == "waiting" else "be held back"
                raise UserError(f"“{known.name}” is {known.state} and cannot {wanted}")
            gone = {"run": "", "made": False} if known.made and known.folder is None else {}
            self.write(known.changed(state=state, why="", begun=0, **gone))

    def _place(self, run: QueuedRun, others: list[QueuedRun], number: int) -> None:
        """Before the `number`-th of the others: one file changes, all where no number is left between two places."""
        place = _between([one.place for one in others], number)
        if place is not None:
            self.write(self.newest(run).changed(place=place))
            return
        for position, one in enumerate([*others[:number], run, *others[number:]], start=1):
            self.write(self.newest(one).changed(place=float(position)))


def _between(places: list[float], number: int) -> float | None:
    """A place before the `number`-th of these and behind the one before it; None where no number is left there."""
    if not places:
        return 1.0
    if number == 0:
        return places[0] - 1
    if number == len(places):
        return places[-1] + 1
    middle = (places[number - 1] + places[number]) / 2
    return middle if places[number - 1] < middle < places[number] else None
