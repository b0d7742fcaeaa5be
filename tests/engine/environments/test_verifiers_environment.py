"""Environments of the `verifiers` library: single-turn, multi-turn and with tools, judged by their own rubrics."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.environments.episode import Environment, Seeds, Turn
from droid_tune.environments.of_verifiers import OfVerifiers
from droid_tune.environments.table import open_environment
from droid_tune.errors import UserError
from tests.engine.environments.own_files import PLAIN, TEMPLATE, call, said

INSTALLED = importlib.util.find_spec("verifiers") is not None
needs_verifiers = pytest.mark.skipif(not INSTALLED, reason="the package verifiers is not installed")

#: tasks that the library's own class for Reasoning Gym is made of
GYMS: list[Any] = [
    "basic_arithmetic",
    "leg_counting",
    "word_sorting",
    [{"name": "spell_backward", "weight": 1, "config": {}}, {"name": "gcd", "weight": 1, "config": {}}],
]
ENVIRONMENTS = '''
import random

import verifiers as vf
from datasets import Dataset


def rows(count=3):
    return Dataset.from_list([{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(count)])


async def right(completion, answer, **kwargs):
    return 1.0 if answer in completion[-1]["content"] else 0.0


async def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def fail() -> str:
    """Fails."""
    raise ValueError("broken")


class Guess(vf.MultiTurnEnv):
    async def setup_state(self, state):
        state["secret"] = random.randint(0, 10**9)
        state["left"] = 2
        return state

    async def env_response(self, messages, state, **kwargs):
        state["left"] -= 1
        if state["left"] == 0:
            state["final_env_response"] = [{"role": "user", "content": "Over."}]
            return []
        return [{"role": "user", "content": f"Wrong, it is {state['secret']}."}]


def load_environment(kind="single"):
    rubric = vf.Rubric(funcs=[right])
    if kind == "tools":
        return vf.ToolEnv(dataset=rows(), tools=[add, fail], rubric=rubric, max_turns=5)
    if kind == "guess":
        return Guess(dataset=rows(), rubric=rubric, max_turns=5)
    if kind == "network":
        import socket
        socket.create_connection(("192.0.2.1", 80), timeout=5)
    return vf.SingleTurnEnv(dataset=rows(), eval_dataset=rows(2), rubric=rubric, system_prompt="Be right.")
'''
Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Opens an environment of the package that stands in a folder of installed ones."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "tiny_env.py").write_text(ENVIRONMENTS, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)

    @contextmanager
    def opened(
        kind: str = "single", template: str = TEMPLATE, name: str = "tiny-env", **settings: Any
    ) -> Generator[OfVerifiers]:
        section = {"type": "verifiers", "id": name, "args": {"kind": kind}, "timeout_seconds": 60, **settings}
        environment = open_environment(resolve({"environment": section}), template=template)
        assert isinstance(environment, OfVerifiers)
        try:
            yield environment
        finally:
            environment.close()

    return opened


def begun(environment: Environment, row: dict[str, Any], member: int = 0) -> Any:
    return environment.open(row, Seeds(1, 2, 3, member)).result()


@needs_verifiers
def test_a_single_turn_is_judged_by_its_rubric(load: Load) -> None:
    with load(template=PLAIN) as environment:
        train, held_out = environment.own_rows("train", 10), environment.own_rows("valid", 10)
        assert [len(train), len(held_out)] == [3, 2]
        episode = begun(environment, train[1])
        assert episode.opening == (Turn("system", "Be right."), Turn("user", "What is 1 + 1?"))
        right = said(episode, "It is 2.")
        assert (right.ending, right.episode_reward) == ("answered", 1.0)
        assert right.parts["right"] == 1.0
        assert said(begun(environment, train[1]), "It is 3.").episode_reward == 0.0
        cut = begun(environment, train[1]).cut("It is 2 and", "tokens").result()
        assert (cut.ending, cut.episode_reward) == ("tokens", 1.0)


@needs_verifiers
def test_tools_are_called_by_the_library_and_bad_calls_are_answered_here(load: Load) -> None:
    with load("tools") as environment:
        assert [one["function"]["name"] for one in environment.tools] == ["add", "fail"]
        row = environment.own_rows("train", 10)[2]
        # a call that is cut in its middle is no answer, whatever stands in it
        begins = '<tool_call>{"name": "add", "arguments": {"a": 4'
        cut = begun(environment, row).cut(begins, "tokens").result()
        assert (cut.ending, cut.episode_reward, cut.calling) == ("tokens", 0.0, True)
        episode = begun(environment, row)
        first = said(episode, "I add. " + call("add", a=2, b=2))
        assert first.turns == (Turn("tool", "4", name="add"),)
        assert [one.state for one in first.calls] == ["done"]
        assert (
            said(episode, "<tool_call>{</tool_call>")
            .turns[0]
            .content.startswith("error: the call is no JSON")
        )
        assert said(episode, call("sub", a=1)).turns[0].content == "error: no tool `sub`; tools: add, fail"
        assert "broken" in said(episode, call("fail")).turns[0].content
        mixed = said(episode, call("sub", a=1) + call("add", a=2, b=3) + call("add", a="2", b=3))
        assert [one.content[:10] for one in mixed.turns] == [
            "error: no ",
            "5",
            "error: `a`",
        ]  # as they were called
        assert [one.state for one in mixed.calls] == ["unknown", "done", "refused"]
        last = said(episode, "It is 4.")
        assert (last.ending, last.episode_reward) == ("answered", 1.0)


@needs_verifiers
def test_turns_of_the_environments_own_and_its_end(load: Load) -> None:
    with load("guess") as environment:
        row = environment.own_rows("train", 10)[2]
        episodes = [begun(environment, row, member) for member in range(3)]  # at the same time
        first = [said(one, "7") for one in episodes]
        assert len({one.turns[0].content for one in first}) == 1  # members of a group begin alike
        assert first[0].turns[0].content.startswith("Wrong, it is ")
        last = [said(one, "4") for one in episodes]
        assert [one.ending for one in last] == ["environment"] * 3
        for one in episodes:
            one.close()
        limited = begun(environment, row)
        assert not said(limited, "7").done


@needs_verifiers
def test_our_own_limit_of_turns_ends_it_with_its_reward(load: Load) -> None:
    with load("guess", max_turns=1) as environment:
        row = environment.own_rows("train", 10)[2]
        answer = said(begun(environment, row), "4")
        assert (answer.ending, answer.episode_reward) == ("turns", 1.0)


@needs_verifiers
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "no-such-env"}, "The environment `no-such-env` is not installed; install its package"),
        ({"kind": "network"}, "The environment `tiny-env` asks for the network"),
        ({"args": {"size": 3}}, "could not be loaded"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_a_sentence(
    load: Load, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught, load(**settings):
        pass
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(INSTALLED, reason="the package verifiers is installed")
def test_without_the_package_its_name_is_told(load: Load) -> None:
    with (
        pytest.raises(
            UserError, match="needs the package `verifiers`, which is not installed; install it with"
        ),
        load(),
    ):
        pass


@needs_verifiers
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "args", "package"),
    [
        *(
            ("verifiers.ReasoningGymEnv", {"gym": gym, "num_train_examples": 2}, "reasoning_gym")
            for gym in GYMS
        ),
        ("stardata.envs.constraint_gym", {}, "stardata"),
    ],
)
def test_installed_environments_are_played_offline_as_they_are(
    name: str, args: dict[str, Any], package: str
) -> None:
    pytest.importorskip(package)
    section = {"type": "verifiers", "id": name, "args": args, "timeout_seconds": 60}
    environment = open_environment(resolve({"environment": section}), template=PLAIN)
    assert isinstance(environment, OfVerifiers)
    try:
        row = environment.own_rows("train", 1)[0]
        answer = said(begun(environment, row), "<answer>none</answer>")
        assert (answer.ending, answer.failed) == ("answered", "")
        assert answer.episode_reward is not None
    finally:
        environment.close()
