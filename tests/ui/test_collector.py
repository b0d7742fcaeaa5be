"""Parts of the window end in the window's thread, whichever thread makes garbage, and memory is given back when asked."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from droid_tune.machine import garbage
from ui.frame.collector import YOUNG, Collector


class Part(QObject):
    """Refers to itself, as widgets with slots of their own do, and notes the thread that it ends in."""

    def __init__(self, ends: list[bool]) -> None:
        super().__init__()
        self.ends, self.itself = ends, self

    def __del__(self) -> None:
        self.ends.append(threading.current_thread() is threading.main_thread())


@pytest.fixture
def collector(qapp: QApplication) -> Iterator[Collector]:
    gc.collect()
    collector = Collector(qapp)
    collector.start()
    yield collector
    collector.stop()
    garbage.collect_by(gc.collect)
    gc.unfreeze()
    gc.enable()
    collector.deleteLater()


def allocate() -> None:
    """As an engine does: far more objects than Python lets pass without a look."""
    kept = [[number] for number in range(20 * YOUNG)]
    assert len(kept) == 20 * YOUNG


def in_a_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work)  # pyright: ignore[reportArgumentType]
    thread.start()
    return thread


def test_a_part_of_the_window_never_ends_in_another_thread(collector: Collector) -> None:
    ends: list[bool] = []
    Part(ends)
    in_a_thread(allocate).join()
    assert ends == []
    held = [[number] for number in range(2 * YOUNG)]
    collector.look()
    assert ends == [True]
    assert held


def test_left_to_itself_python_ends_it_in_the_other_thread() -> None:
    """Why this is needed; where that changes, it is not."""
    gc.collect()
    gc.enable()
    ends: list[bool] = []
    Part(ends)
    in_a_thread(allocate).join()
    assert ends == [False]


def test_a_thread_that_asks_gets_everything_collected_in_the_window_s_thread(
    qtbot: QtBot, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[bool] = []
    part = Part(ends)
    with monkeypatch.context() as patched:
        patched.setattr("ui.frame.collector.LONG_S", 0.0)
        patched.setattr("ui.frame.collector.PER_OLDER", 0)
        collector.look()  # a long one at all: what is there now is left out since
    assert gc.get_freeze_count() > 0
    del part
    thread = in_a_thread(garbage.collect)
    qtbot.waitUntil(lambda: ends == [True])
    thread.join(60)
    assert not thread.is_alive()


def test_a_thread_that_asks_does_not_keep_the_window_with_libraries(collector: Collector) -> None:
    libraries = [[number] for number in range(1000)]
    garbage.libraries_are_read()
    passed_over: list[int] = []

    def note(_phase: str, _about: object) -> None:
        passed_over.append(gc.get_freeze_count())

    gc.callbacks.append(note)
    try:
        garbage.collect()
    finally:
        gc.callbacks.remove(note)
    assert min(passed_over) >= len(libraries)


def test_a_model_that_was_read_is_not_passed_over_with_the_libraries_of_the_next(
    collector: Collector,
) -> None:
    garbage.libraries_are_read()
    ends: list[bool] = []
    Part(ends)
    garbage.libraries_are_read()
    garbage.collect()
    assert ends == [True]


def test_the_window_s_own_thread_collects_at_once(collector: Collector) -> None:
    ends: list[bool] = []
    Part(ends)
    garbage.collect()
    assert ends == [True]


def test_a_thread_is_not_kept_by_a_window_that_ends(collector: Collector) -> None:
    collector.stop()
    thread = in_a_thread(garbage.collect)
    thread.join(60)
    assert not thread.is_alive()


def test_older_objects_are_looked_at_in_their_time(collector: Collector) -> None:
    ends: list[bool] = []
    Part(ends)
    looks = 0
    while not ends and looks < 200:
        held = [[number] for number in range(2 * YOUNG)]
        gc.collect(0) if looks == 0 else collector.look()
        looks += 1
        del held
    assert ends == [True]


def test_alone_whoever_asks_collects() -> None:
    ends: list[bool] = []
    Part(ends)
    garbage.collect()
    assert ends == [True]
