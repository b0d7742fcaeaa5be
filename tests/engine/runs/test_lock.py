"""Who looks whether a run is trained does not keep it from being trained."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from droid_tune.errors import UserError
from droid_tune.runs.disk.lock import RunLock, is_locked


@contextmanager
def onlookers(path: Path, count: int) -> Generator[None]:
    """Threads that look at the lock all the time, as lists of runs, the queue and the estimate do."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_locked(path)

    threads = [threading.Thread(target=look) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_run_is_taken_while_others_look_at_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with onlookers(path, 2):
        for _ in range(300):
            with RunLock(path):
                assert is_locked(path)
    assert not is_locked(path)


def test_of_many_that_begin_at_once_one_trains(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    outcomes: list[str] = []
    start, tried = threading.Barrier(6), threading.Barrier(6)

    def train() -> None:
        start.wait()
        try:
            with RunLock(path):
                outcomes.append("trains")
                tried.wait()
        except UserError as error:
            outcomes.append("refused" if "is being trained" in str(error) else str(error))
            tried.wait()

    threads = [threading.Thread(target=train) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 5 + ["trains"]


def test_a_run_that_ended_is_free_although_a_child_was_being_started(tmp_path: Path) -> None:
    """Between fork and exec a child of ours has a copy of every open file, and a copied lock holds as the first does."""
    path = tmp_path / "lock"
    with RunLock(path):
        copy = os.dup(_descriptor_of(path))
    try:
        assert not is_locked(path)
        with RunLock(path), pytest.raises(UserError, match="is being trained by another"), RunLock(path):
            pass
    finally:
        os.close(copy)


def _descriptor_of(path: Path) -> int:
    """The one by which this process has the file open."""
    for descriptor in range(3, 4096):
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except OSError:
            continue
    raise AssertionError(f"{path} is not open")
