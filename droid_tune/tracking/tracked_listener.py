"""Tells trackers what a run tells: first what it had told before, then each number as it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.events import Evaluation, Event, Notice, RunFinished, RunStarted, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.folder import run_name
from droid_tune.runs.log import read_events
from droid_tune.tracking.base import TrackedRun, Tracker
from droid_tune.tracking.table import wanted_trackers

log = logging.getLogger(__name__)

Told = Step | Evaluation


class TrackedListener:
    """A run's listener that trackers hear too. A tracker that fails is told of once, and the run goes on without it."""

    def __init__(self, config: RunConfig, folder: Path, listener: Callable[[Event], None]) -> None:
        self._listener = listener
        self._paths = RunPaths(folder)
        self._trackers: dict[str, Tracker] = {
            name: entry.make() for name, entry in wanted_trackers(config).items()
        }
        self._run = TrackedRun(
            self._paths.id, run_name(config), folder, config.tracking.project, config.model_dump(mode="json")
        )

    def __call__(self, event: Event) -> None:
        """Tell the listener, then the trackers."""
        self._listener(event)
        if self._trackers:
            self._tell(event)

    def close(self) -> None:
        """The session ends, however it ends."""
        for name in list(self._trackers):
            self._try(name, lambda tracker: tracker.close())
        self._trackers.clear()

    def _tell(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._begin(event.start_step)
            case Step() | Evaluation():
                for name in list(self._trackers):
                    self._try(name, lambda tracker: log_event(tracker, event))
            case RunFinished():
                self.close()
            case _:
                pass

    def _begin(self, start_step: int) -> None:
        earlier = list(told_until(read_events(self._paths.events), start_step)) if start_step else []

        def open_with_history(tracker: Tracker) -> None:
            tracker.open(self._run)
            for event in earlier:
                log_event(tracker, event)

        for name in list(self._trackers):
            self._try(name, open_with_history)

    def _try(self, name: str, act: Callable[[Tracker], None]) -> None:
        """A foreign program may fail in any way; that is no reason to lose a run."""
        try:
            act(self._trackers[name])
        except Exception as error:
            log.exception("the tracker %s failed", name)
            del self._trackers[name]
            text = f"{name} takes no more numbers of this run: {type(error).__name__}: {error}."
            self._listener(Notice(level="warning", code="tracker_failed", text=text, run_id=self._run.id))


def told_until(events: Iterable[Event], last_step: int) -> Iterator[Told]:
    """What a run told up to a step, by step; of what was done twice, after a crash, the second time."""
    kept: dict[tuple[int, str], Told] = {}
    for event in events:
        match event:
            case RunStarted(start_step=start):
                kept = {key: told for key, told in kept.items() if key[0] <= start}
            case Step() | Evaluation():
                kept[(event.step, event.type)] = event
            case _:
                pass
    yield from (kept[key] for key in sorted(kept) if key[0] <= last_step)


def log_event(tracker: Tracker, event: Told) -> None:
    """The event's numbers; what was not finite has none."""
    values = {name: value for name, value in event.metrics.items() if value is not None}
    if isinstance(event, Step):
        values |= {f"seconds/{name}": value for name, value in event.seconds.items()}
    if values:
        tracker.log(event.step, values, event.time)
