"""Runs with an environment: stopped or killed at any turn of a step they end with the same bytes, and are checked first."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from droid_tune.check.signal_check import check_signal
from droid_tune.config import RunConfig, resolve
from droid_tune.control import Control
from droid_tune.errors import UserError
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from droid_tune.train.exploring.acting import check_alone
from tests.conftest import SHARED
from tests.engine.rollout.episodes.scripted import Scripted
from tests.engine.train.conftest import TINY, digest, resume, tiny, train

InProcess = Callable[..., str]

STORIES = SHARED / "models" / "stories260K"
needs_stories = pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not on this machine")

TOOLS = '''
def look(at: str) -> str:
    """Look something up.

    Args:
        at: The place.
    """
    return "More of " + at
'''


def acting(folder: Path, **changes: Any) -> dict[str, Any]:
    """TINY with tools of a file, whose model speaks in three turns at most."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.py").write_text(TOOLS)
    environment = {
        "type": "tools",
        "path": str(folder / "tools.py"),
        "max_turn_tokens": 24,
        "tool_prompt": "system",
    }
    return {
        **TINY,
        "training": {"iterations": 2, "batch_size": 1},
        "model": {"path": str(STORIES)},
        "sampling": {"max_completion_length": 60},
        "environment": {**environment, "max_turns": 3, **changes.pop("environment", {})},
        **changes,
    }


class Stopping(Scripted):
    """Asks for a stop when the environment is asked for the `number`-th time."""

    control: Control
    number: int = 0

    def delay(self) -> int:
        if len(self.asked) == self.number:
            self.control.request_stop()
        return 0


def scripted(monkeypatch: pytest.MonkeyPatch, environment: Scripted) -> None:
    @contextmanager
    def opened(*_: object) -> Generator[Scripted]:
        yield environment

    monkeypatch.setattr("droid_tune.train.execution.acted_in", opened)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    environment = {"type": "class", "name": "Room"}
    values = acting(tmp_path / "files", environment=environment)
    del values["environment"]["tool_prompt"], values["model"]
    return resolve({**values, "sampling": {"max_completion_length": 110, "temperature": 1.5}})


#: one step of four episodes with three turns each, and one more; the first and the last turns, and one of the second step
TURNS = [5, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2, 3, 4, 6, 8, 9, 11, 14, 15))]


@pytest.mark.parametrize("number", TURNS)
def test_a_run_stopped_at_any_turn_of_a_step_ends_with_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, config: RunConfig, tmp_path: Path, number: int
) -> None:
    whole = Scripted(turns=2, late=4)
    scripted(monkeypatch, whole)
    assert train(config, tmp_path / "whole")[0].outcome == "completed"
    assert len(whole.asked) > 15
    folder, control = tmp_path / "stopped", Control()
    stopping = Stopping(turns=2)
    stopping.control, stopping.number = control, number
    scripted(monkeypatch, stopping)
    create_run(config, folder)
    assert run_training(config, folder, control, lambda _: None).outcome == "stopped"
    assert stopping.opened == stopping.closed
    scripted(monkeypatch, Scripted(turns=2, late=3, seed=number))
    assert resume(folder)[0].outcome == "completed"
    assert digest(folder) == digest(tmp_path / "whole")


@pytest.mark.slow
@needs_stories
def test_a_run_with_tools_that_is_killed_while_it_samples_ends_with_the_same_bytes(
    in_process: InProcess, tmp_path: Path
) -> None:
    values = acting(tmp_path / "files")
    folder, whole = tmp_path / "run", tmp_path / "whole"
    assert in_process(whole, values) == "completed"
    assert in_process(folder, values, "rollout", 12, "kill").startswith("exit -9")
    assert in_process(folder, values) == "completed"
    assert digest(folder) == digest(whole)


@needs_stories
def test_the_check_plays_episodes_and_shows_their_turns(tmp_path: Path) -> None:
    report = check_signal(resolve(acting(tmp_path)), prompts=1, seconds=20)
    answers = [answer for group in report.measured.groups for answer in group.completions]
    assert answers
    assert all(answer.turns and answer.turns[0].role == "assistant" for answer in answers)
    told = report.to_json()
    assert told["measured"]["groups"][0]["completions"][0]["turns"][0]["role"] == "assistant"


def test_several_computers_are_refused() -> None:
    class Two:
        alone, size = False, 2

    with pytest.raises(UserError, match="trains on one computer, not on 2"):
        check_alone(tiny(environment={"type": "tools", "path": "x.py"}), Two())  # type: ignore[arg-type]
