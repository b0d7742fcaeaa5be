"""Working the queue off: what becomes of a child that another one is in the way of, or that dies again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from droid_tune.config import resolve
from droid_tune.events import Event, RunFinished
from droid_tune.queue import shift, training_child
from droid_tune.queue.queued_run import QueuedRun
from droid_tune.queue.run_queue import RunQueue
from droid_tune.queue.shift import work_off
from droid_tune.queue.training_child import TurnEnded
from droid_tune.runs.status import write_status


class Quiet:
    """Looks on and says nothing."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []

    def should_stop(self) -> bool:
        return False

    @contextmanager
    def turn(self, run: QueuedRun) -> Generator[Callable[[Event], None]]:
        yield lambda _event: None

    def ended(self, run: QueuedRun, ended: TurnEnded) -> None:
        self.ends.append((run.name, ended.end))


Child = Callable[[Path], TurnEnded]


class Battery:
    """Stands for the gate: it closes once, while the first run trains, and opens by itself."""

    def __init__(self) -> None:
        self.waits, self.closings = 0, [True, False]

    def wait(self) -> None:
        self.waits += 1

    def closes(self) -> bool:
        return bool(self.closings and self.closings.pop())


def worked_off(monkeypatch: pytest.MonkeyPatch, *children: Child) -> tuple[RunQueue, Quiet]:
    """A queue of the runs a and b, whose children these are, one after the other."""
    left = list(children)
    monkeypatch.setattr(shift, "train_in_child", lambda folder, _hear, _should_stop: left.pop(0)(folder))
    queue, quiet = RunQueue(), Quiet()
    for name in "ab":
        queue.add(resolve({"name": name}))
    work_off(queue, quiet)
    assert left == []
    return queue, quiet


def put_in(name: str, settings: str) -> None:
    """Put a file into the queue's folder that no `queue add` has looked at."""
    file = RunQueue().config_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings)


def completed(_folder: Path) -> TurnEnded:
    return TurnEnded("completed")


def states(queue: RunQueue) -> dict[str, str]:
    return {run.name: run.state for run in queue.runs()}


def test_a_child_that_another_process_is_in_the_way_of_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orphan of a killed queue took the lock, did a step, saved and ended, all between our look and our child."""

    def in_the_way(folder: Path) -> TurnEnded:
        write_status(folder, state="stopped", step=1, total_steps=9)
        return TurnEnded("failed", "The run is being trained by another Droid Tune.", refused=True)

    queue, quiet = worked_off(monkeypatch, in_the_way, completed, completed)
    assert states(queue) == {"a": "completed", "b": "completed"}
    assert quiet.ends == [("a", "completed"), ("b", "completed")]


def test_a_child_that_is_refused_for_good_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, _ = worked_off(
        monkeypatch, lambda _: TurnEnded("failed", "The run is not as it was.", refused=True), completed
    )
    assert states(queue) == {"a": "failed", "b": "completed"}
    assert queue.runs()[0].why == "The run is not as it was."


def test_a_run_that_ends_its_process_thrice_at_the_same_step_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies(_folder: Path) -> TurnEnded:
        return TurnEnded("cut_off", "Its process was ended by SIGKILL.")

    queue, _ = worked_off(monkeypatch, dies, dies, dies, completed)
    assert states(queue) == {"a": "failed", "b": "completed"}
    assert "begun 3 times without a step forward" in queue.runs()[0].why


def test_a_run_is_saved_while_the_battery_is_low_and_goes_on_before_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []

    def child(folder: Path, _hear: object, should_stop: Callable[[], bool]) -> TurnEnded:
        begun.append(folder.name[-1])
        return TurnEnded("stopped", "Stopped on request.") if should_stop() else TurnEnded("completed")

    monkeypatch.setattr(shift, "train_in_child", child)
    queue, quiet, battery = RunQueue(), Quiet(), Battery()
    for name in "ab":
        queue.add(resolve({"name": name}))
    work_off(queue, quiet, battery)  # type: ignore[arg-type]
    assert begun == ["a", "a", "b"]
    assert states(queue) == {"a": "completed", "b": "completed"}
    assert battery.waits == 4  # before each turn, and before the end is seen


def test_a_run_that_stops_by_its_own_settings_is_held_and_the_next_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, _ = worked_off(monkeypatch, lambda _: TurnEnded("stopped", "Stopped after step 5."), completed)
    assert states(queue) == {"a": "held", "b": "completed"}
    assert queue.mode == "off"


def test_a_run_that_a_full_disk_ended_is_held_and_not_called_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings have no part in it: released, it goes on."""
    told = RunFinished(outcome="failed", step=3, why="The disk is full.", outside=True, seq=9)
    program = f"print({told.model_dump_json()!r})"
    monkeypatch.setattr(training_child, "own_command", lambda *_: [sys.executable, "-c", program])
    queue, quiet = RunQueue(), Quiet()
    queue.add(resolve({"name": "a"}))
    work_off(queue, quiet)
    assert states(queue) == {"a": "held"}
    assert queue.runs()[0].why == "The disk is full."
    assert quiet.ends == [("a", "held")]
    queue.release(queue.runs()[0])
    assert states(queue) == {"a": "waiting"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("name: odd\nmethod: no-such-method\n", "no-such-method"),
        ("rewards: [{type: user_file, path: /a/theirs.py}]\n", "nobody here allowed"),
    ],
    ids=["damaged", "not allowed"],
)
def test_a_run_that_cannot_begin_is_told_as_a_failure(
    settings: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in("odd", settings)
    queue, quiet = worked_off(monkeypatch, completed, completed)
    assert dict(quiet.ends) == {"odd": "failed", "a": "completed", "b": "completed"}
    assert why in next(run.why for run in queue.runs() if run.id == "odd")
