"""One thread uses MLX at a time: a run waits for an answer's last token, a question for the run's end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import QObject, QTimer
from pytestqt.qtbot import QtBot

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.events import Step
from droid_tune.runs.state import RunState
from tests.ui.fake_engine import FakeControl, FakeEngine
from ui.engine_worker import Engine
from ui.work.engine_run import EngineRun
from ui.work.engine_thread import EngineThread
from ui.work.playground_thread import PlaygroundQuestion, PlaygroundThread
from ui.work.taking_turns import taking_turns

QUESTION = PlaygroundQuestion(Path("run"), "2 + 2?", 0.0, 8)


class Late:
    """A turn that somebody else has, and that comes while one waits for it."""

    def __init__(self) -> None:
        self.held = 0

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        self.held += blocking
        return blocking

    def release(self) -> None:
        self.held -= 1


def test_a_turn_that_comes_to_somebody_who_left_meanwhile_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn, left = Late(), iter([False, True])
    monkeypatch.setattr("ui.work.taking_turns._TURN", turn)
    with taking_turns(lambda: next(left)) as taken:
        assert not taken
        assert not turn.held
    with taking_turns() as taken:
        assert taken
        assert turn.held
    assert not turn.held


class Talker:
    """Answers when it is let."""

    def __init__(self, said: list[str]) -> None:
        self.said, self.asked, self.go_on = said, threading.Event(), threading.Event()

    def reply(self, prompt: str, sampling: SamplingConfig, *, watch: Watch = UNWATCHED, **_: Any) -> Any:
        self.asked.set()
        assert self.go_on.wait(120)
        watch.pause_point()
        self.said.append("answered")
        return SimpleNamespace(text="4")

    def verdicts(self, *_: Any) -> list[Any]:
        return []


class TalkingEngine(FakeEngine):
    def __init__(self, talker: Talker) -> None:
        super().__init__()
        self.talker = talker

    def playground(self, folder: Path, checkpoint: str = "last") -> Any:
        return self.talker


def test_a_run_waits_until_the_playground_has_let_go(owner: QObject, qtbot: QtBot) -> None:
    said: list[str] = []
    talker = Talker(said)
    playground = PlaygroundThread(TalkingEngine(talker), owner)
    playground.ask(QUESTION)
    playground.start()
    assert talker.asked.wait(120)
    run = EngineThread(lambda emit: said.append("trained"), owner)
    run.start()
    playground.let_go()
    assert not run.wait(300)
    talker.go_on.set()
    assert run.wait(120_000)
    assert said == ["trained"], "the answer was ended, then the run began"
    assert playground.wait(120_000)


def test_a_question_waits_for_the_end_of_a_run(owner: QObject, qtbot: QtBot) -> None:
    said: list[str] = []
    training, end = threading.Event(), threading.Event()

    def work(_: Any) -> None:
        training.set()
        assert end.wait(120)
        said.append("trained")

    run = EngineThread(work, owner)
    run.start()
    assert training.wait(120)
    talker = Talker(said)
    talker.go_on.set()
    playground = PlaygroundThread(TalkingEngine(talker), owner)
    playground.ask(QUESTION)
    playground.start()
    assert not talker.asked.wait(0.3)
    end.set()
    assert run.wait(120_000)
    qtbot.waitUntil(lambda: said == ["trained", "answered", "answered"], timeout=10_000)
    playground.let_go()
    assert playground.wait(120_000)


class ComputingEngine(Engine):
    """Its models only add, with MLX, in the thread that asks; memory is given back as it really is."""

    def playground(self, folder: Path, checkpoint: str = "last") -> Any:
        import mlx.core as mx

        mx.eval(mx.ones(3) + 1)
        return ComputingAnswerer(folder.name)


class ComputingAnswerer:
    def __init__(self, name: str) -> None:
        self.name = name

    def reply(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(text=f"answer of {self.name}", turns=())

    def verdicts(self, *_: Any) -> list[Any]:
        return []


def test_models_of_several_runs_answer_one_after_the_other_in_one_thread(
    owner: QObject, qtbot: QtBot
) -> None:
    """Giving the memory of one back took the thread's streams away, and every other run's answer failed."""
    said: list[str] = []
    failed: list[str] = []
    playground = PlaygroundThread(ComputingEngine(), owner)
    playground.replied.connect(lambda voice, sample, reply: said.append(reply.text))
    playground.failed.connect(failed.append)
    playground.ask(replace(QUESTION, others=((Path("other"), "last"), (Path("third"), "best"))))
    playground.start()
    qtbot.waitUntil(lambda: len(said) == 4 or bool(failed), timeout=30_000)
    assert (said, failed) == (["answer of run", "answer of run", "answer of other", "answer of third"], [])
    playground.let_go()
    assert playground.wait(30_000)


def test_events_that_come_faster_than_they_are_taken_leave_the_window_turns_of_its_own(
    owner: QObject, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, in order, and the end after the last."""
    run, taken, beats = EngineRun(owner), list[int](), list[int]()

    def slowly(self: EngineRun, event: Any) -> None:
        time.sleep(0.002)
        taken.append(event.step)

    def work(_: Any, emit: Any) -> None:
        for step in range(300):
            emit(Step(step=step, metrics={}))

    monkeypatch.setattr(EngineRun, "apply", slowly)
    beat = QTimer(owner)
    beat.setInterval(1)
    beat.timeout.connect(lambda: beats.append(len(taken)))
    beat.start()
    ends: list[int] = []
    run.ended.connect(lambda *_: ends.append(len(taken)))
    run.begin(Path("run"), RunState(), FakeControl(), work)
    qtbot.waitUntil(lambda: bool(ends), timeout=20_000)
    beat.stop()
    assert taken == list(range(300))
    assert ends == [300]
    assert len({at for at in beats if 0 < at < 300}) > 20
