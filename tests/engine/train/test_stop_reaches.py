"""A stop reaches whatever a run is doing: the run is then stopped, saved, and never failed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from droid_tune.control import Control, Watch, waited_for
from droid_tune.errors import Stopped
from droid_tune.events import Event, Phase
from droid_tune.model import loading
from droid_tune.model.loading import load_policy
from droid_tune.rewards.children.process import Child
from droid_tune.runs.folder import create_run
from tests.engine.train.conftest import Training, tiny

ENDLESS = "import time\ndef f(completion, row):\n    while True: time.sleep(1)\n"


def endless(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    """A reward that never ends, nor is ended by its time limit."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    return {"type": "user_file", "path": str(tmp_path / "endless.py"), "timeout_seconds": 600, **settings}


def stopped_in(
    training: Training, phase: str, changes: dict[str, Any], folder: Path, *, at_once: bool = False
) -> str:
    """The outcome of a run that is asked to stop a moment after it has come to a phase."""
    control = Control()
    stop = control.stop_now if at_once else control.request_stop

    def emit(event: Event) -> None:
        if isinstance(event, Phase) and event.phase == phase:
            threading.Timer(0.2, stop).start()

    config = tiny(**changes)
    create_run(config, folder)
    return training(folder, control, emit).outcome


@pytest.mark.parametrize("at_once", [False, True])
def test_a_reward_that_never_ends_is_stopped_and_has_not_failed(
    training: Training, tmp_path: Path, at_once: bool
) -> None:
    changes = {"rewards": [endless(tmp_path)]}
    assert stopped_in(training, "reward", changes, tmp_path / "run", at_once=at_once) == "stopped"


def test_so_is_one_that_judges_held_out_answers(training: Training, tmp_path: Path) -> None:
    changes = {"rewards": [endless(tmp_path)], "evaluation": {"rows": 2, "at_start": True}}
    assert stopped_in(training, "evaluate", changes, tmp_path / "run") == "stopped"


def test_a_file_that_never_ends_loading_is_stopped(training: Training, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(600)\n")
    control = Control()
    threading.Timer(0.5, control.request_stop).start()
    config = tiny(rewards=[{"type": "user_file", "path": str(tmp_path / "endless.py")}])
    create_run(config, tmp_path / "run")
    assert training(tmp_path / "run", control, lambda _: None).outcome == "stopped"


def test_weights_are_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "READ_AT_ONCE", 2**16)
    told: list[int] = []

    def progress(done: int, total: int, what: str) -> None:
        assert (0 <= done < total, what) == (True, "bytes")
        told.append(done)

    with pytest.raises(Stopped):
        load_policy("starter", watch=Watch(progress, lambda: len(told) == 3))
    assert len(told) == 3
    assert told == sorted(told)


def test_nobody_waits_for_a_download_after_a_stop() -> None:
    begun, leave = threading.Event(), threading.Event()

    def download() -> None:
        begun.set()
        leave.wait(60)

    with pytest.raises(Stopped):
        waited_for(download, Watch(should_stop=begun.is_set))
    leave.set()


def test_what_a_download_gives_or_raises_is_what_comes_of_waiting_for_it() -> None:
    assert waited_for(lambda: 7, Watch()) == 7
    with pytest.raises(ZeroDivisionError):
        waited_for(lambda: 1 // 0, Watch())


def test_a_child_that_is_ended_for_a_stop_says_nothing_else() -> None:
    stopping = threading.Event()
    child = Child(
        "droid_tune.rewards.workers.mathematics_worker",  # takes a second to begin
        memory_mb=512,
        setup={"warm_up": True},
        watch=Watch(should_stop=stopping.is_set),
    )

    def stop_now() -> None:
        stopping.set()
        child.end_now()

    threading.Timer(0.1, stop_now).start()
    with pytest.raises(Stopped):
        child.start()
    child.close()
