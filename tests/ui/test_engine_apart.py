"""Where the window's engine trains: in its thread, or in a process of its own by wish and after a fault of the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.events import Event, RunFinished
from droid_tune.train import engine, engine_child
from ui.engine_worker import Engine, Resumption

FAULT = "The memory did not suffice; ... open Droid Tune anew and resume the run."


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the two was asked, in turn; in the thread the device fails."""
    asked: list[str] = []

    def here(*arguments: Any) -> None:
        asked.append("thread")
        arguments[3 if len(arguments) == 4 else 2](RunFinished(outcome="failed", step=1, why=FAULT))

    monkeypatch.setattr(engine, "run_training", here)
    monkeypatch.setattr(engine, "resume_training", here)
    monkeypatch.setattr(engine_child, "train_apart", lambda *_: asked.append("process"))
    return asked


def test_the_switch_counts_from_the_next_run_on(modes: list[str]) -> None:
    chosen = [True]
    made = Engine(lambda: chosen[0])
    made.train(resolve({}), Path("run"), None, print)
    chosen[0] = False
    made.train(resolve({}), Path("run"), None, lambda _: None)
    assert modes == ["process", "thread"]


def test_after_a_fault_of_the_device_a_resume_gets_a_fresh_process(modes: list[str]) -> None:
    heard: list[Event] = []
    made = Engine()
    made.resume(Resumption(Path("run")), None, heard.append)
    made.resume(Resumption(Path("run")), None, heard.append)
    assert modes == ["thread", "process"]
    assert len(heard) == 1
