"""Classes as TRL's `environment_factory` takes them: two in its documented form, and what is no environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from droid_tune.environments.episode import EpisodeError, Seeds, Turn
from droid_tune.errors import UserError
from tests.engine.environments.own_files import begin, call, opened, said

#: a game whose state a reward function of `environments` reads, as TRL's guide on OpenEnv has it
GUESS = '''
class GuessEnv:
    def __init__(self):
        self.reward = 0.0

    def reset(self, **kwargs) -> str | None:
        self.secret = kwargs["answer"]
        self.reward = 0.0
        self.done = False
        self.guesses = 0
        return " It has three letters."

    def guess(self, word: str) -> str:
        """
        Make a guess.

        Args:
            word: The guessed word.

        Returns:
            The feedback, G where a letter is right, X where it is wrong.
        """
        if self.done:
            raise ValueError("Game over.")
        self.guesses += 1
        self.done = word == self.secret
        self.reward = 1.0 if self.done else 0.0
        return "".join("G" if a == b else "X" for a, b in zip(word, self.secret))


def reward_func(environments, **kwargs) -> list[float]:
    return [env.reward for env in environments]


def shaped(environments, completions, answer, **kwargs):
    [env], [turns], [right] = environments, completions, answer
    return [env.reward + len([one for one in turns if one["role"] == "assistant"]) / 10 + (right == env.secret)]
'''

#: an environment that owns its reward, asynchronous where it may be
COUNTER = '''
import asyncio
import random


class CounterEnv:
    """Counts."""

    def reset(self, prompt, target: int, **kwargs):
        self.value, self.target = random.randint(0, 9), int(target)
        self._asked = prompt

    async def increment(self, step: int = 1) -> int:
        """
        Increment the counter.

        Args:
            step: By how much.
        """
        await asyncio.sleep(0)
        self.value += step
        return self.value

    def reset_to(self, value: int) -> str:
        """
        Set the counter.

        Args:
            value: Its new value.
        """
        self.value = value
        return f"set to {self.value}"

    async def get_reward(self) -> float:
        return 1.0 if self.value == self.target else -abs(self.value - self.target) / 10
'''
WORD = {"prompt": "Guess the word.", "answer": "cat"}
COUNT = {"prompt": "Count.", "answer": None, "target": 7}


def test_a_class_with_a_reward_function_beside_it_plays_a_game(tmp_path: Path) -> None:
    with opened(tmp_path, GUESS, "class", name="GuessEnv", reward="reward_func") as environment:
        assert [one["function"]["name"] for one in environment.tools] == ["guess"]
        episode = begin(environment, WORD)
        assert episode.opening == (Turn("user", "Guess the word. It has three letters."),)
        assert said(episode, call("guess", word="car")).turns == (Turn("tool", "GGX", name="guess"),)
        assert said(episode, call("guess", word="cat")).turns[0].content == "GGG"
        over = said(episode, call("guess", word="cat"))
        assert over.turns[0].content == "error: Game over."
        assert over.calls[0].state == "failed"
        last = said(episode, "The word was cat.")
        assert (last.ending, last.episode_reward) == ("answered", 1.0)


@pytest.mark.parametrize(
    ("parameters", "seen"), [("self", "()"), ("self, answer=0", "cat"), ("self, **row", "answer,prompt")]
)
def test_reset_is_given_the_columns_that_it_takes(tmp_path: Path, parameters: str, seen: str) -> None:
    said_of = {"self": "()", "self, answer=0": "answer", "self, **row": "','.join(sorted(row))"}[parameters]
    source = (
        f"class A:\n    def reset({parameters}):\n        return str({said_of})\n"
        "    def go(self) -> str:\n        'Goes.'\n        return ''\n    def get_reward(self):\n        return 1.0\n"
    )
    with opened(tmp_path, source, "class") as environment:
        assert begin(environment, WORD).opening[-1].content.endswith(seen)


def test_a_reward_function_is_given_the_trajectory_and_the_columns(tmp_path: Path) -> None:
    with opened(tmp_path, GUESS, "class", reward="shaped") as environment:
        answer = said(begin(environment, WORD), call("guess", word="cat"), "Done.")
        assert answer.episode_reward == pytest.approx(1.0 + 0.2 + 1)


def test_a_class_that_owns_its_reward_is_asked_for_it_however_the_episode_ends(tmp_path: Path) -> None:
    with opened(tmp_path, COUNTER, "class", max_turns=2) as environment:
        assert [one["function"]["name"] for one in environment.tools] == ["increment", "reset_to"]
        assert said(begin(environment, COUNT), call("reset_to", value=7), "Seven.").episode_reward == 1.0
        cut = said(begin(environment, COUNT), call("reset_to", value=5), call("increment", step=2))
        assert (cut.ending, cut.episode_reward) == ("turns", -0.2)  # the last call is not made
        ended = begin(environment, COUNT)
        said(ended, call("reset_to", value=6))
        assert ended.cut(call("increment"), "tokens").result().episode_reward == -0.1


def test_members_of_a_group_begin_alike_each_with_an_object_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path, COUNTER, "class", at_once=2) as environment:
        episodes = [environment.open(COUNT, Seeds(1, 2, 3, member)).result() for member in range(4)]
        first = [said(one, call("increment")).turns[0].content for one in episodes]
        assert len(set(first)) == 1
        said(episodes[0], call("increment", step=100))
        assert said(episodes[2], call("increment")).turns[0].content == str(int(first[0]) + 1)
        other = (
            environment.open(COUNT, Seeds(1, 3, 3)).result(),
            environment.open(COUNT, Seeds(1, 4, 3)).result(),
        )
        seen = {said(one, call("increment")).turns[0].content for one in other} | {first[0]}
        assert len(seen) > 1
        for one in episodes:
            one.close()
            one.close()


HANGING = (
    GUESS
    + '''
    # methods of the last class


class HangingEnv(GuessEnv):
    def hang(self) -> str:
        """Hangs."""
        import time
        while True:
            time.sleep(0.01)

    def die(self) -> str:
        """Dies."""
        import os
        os._exit(1)
'''
)


def test_a_tool_that_hangs_is_interrupted_and_its_episode_goes_on(tmp_path: Path) -> None:
    with opened(
        tmp_path, HANGING, "class", name="HangingEnv", reward="shaped", timeout_seconds=5
    ) as environment:
        episode = begin(environment, WORD)
        assert said(episode, call("hang")).turns[0].content == "error: took longer than 5 s"
        assert said(episode, call("guess", word="cat")).turns[0].content == "GGG"


def test_a_child_that_dies_takes_its_own_episodes_with_it_and_no_run(tmp_path: Path) -> None:
    with opened(tmp_path, HANGING, "class", name="HangingEnv", reward="shaped", at_once=2) as environment:
        dying, other, third = (
            begin(environment, WORD, member) for member in range(3)
        )  # the third beside the first
        died = said(dying, call("die"))
        assert (died.ending, died.failed) == ("failed", "The tool `die` exited with code 1.")
        assert said(other, call("guess", word="cat")).turns[0].content == "GGG"
        assert said(third, call("guess", word="cat")).failed == "The episode was lost: its process was ended."
        assert said(begin(environment, WORD), call("guess", word="cat")).turns[0].content == "GGG"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('return None\n        raise', ""),
        ("return 5", "could not begin: the method `reset` gave 5 (int), not a text or None"),
        ("raise ValueError('no board')", "could not begin: ValueError: no board"),
    ],
)  # fmt: skip
def test_an_episode_that_cannot_begin_says_why(tmp_path: Path, change: str, message: str) -> None:
    source = GUESS.replace('return " It has three letters."', change)
    with opened(tmp_path, source, "class", reward="reward_func") as environment:
        handle = environment.open(WORD, Seeds(0, 0, 0))
        if not message:
            assert handle.result().opening == (Turn("user", "Guess the word."),)
            return
        with pytest.raises(EpisodeError) as caught:
            handle.result()
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'good'", "gave 'good' (str), not a finite number or None"),
        ("float('nan')", "gave nan (float), not a finite number or None"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_reward_that_is_no_number_fails_the_episode(tmp_path: Path, value: str, message: str) -> None:
    source = COUNTER.replace("return 1.0 if self.value == self.target", f"return {value} if True")
    with opened(tmp_path, source, "class") as environment:
        answer = said(begin(environment, COUNT), "Seven.")
        assert (answer.ending, answer.episode_reward) == ("failed", None)
        assert message in answer.failed


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("class A:\n    def move(self) -> str:\n        'Moves.'\n", {"name": "A"},
         "has the class `A`, which is no environment: it has no `reset`; write `def reset(self, **row)`"),
        ("class A:\n    pass\n", {}, "has no class with a `reset`"),
        (COUNTER + GUESS, {}, "has several environments (CounterEnv, GuessEnv); say which one in `name`"),
        (COUNTER, {"name": "Gone"}, "has no class `Gone`; it has CounterEnv"),
        (COUNTER, {"reward": "gone"}, "has no function `gone`; it has none"),
        ("class A:\n    def __init__(self, url):\n        pass\n    def reset(self):\n        pass\n", {},
         "has the class `A`, whose `__init__` wants `url`; give it a default"),
        ("class A:\n    def reset(self):\n        pass\n", {}, "without a public method that could be a tool"),
        ("class A:\n    def reset(self):\n        pass\n    def go(self, x) -> str:\n        'Goes.'\n", {},
         "file has the tool `go`, which has no type hint for `x`"),
        ("class A:\n    def reset(self):\n        pass\n    def go(self) -> str:\n        'Goes.'\n"
         "    def go(self) -> str:\n        'Goes.'\n", {}, "has two tools called `go` (lines 4 and 6)"),
        (GUESS, {}, "has several reward functions (reward_func, shaped); say which one in `reward`"),
        ("class A:\n    def reset(self):\n        pass\n    def go(self) -> str:\n        'Goes.'\n", {},
         "The environment's class gives no reward; write `def get_reward(self)`"),
    ],
)  # fmt: skip
def test_a_class_that_is_no_environment_is_refused(
    tmp_path: Path, source: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught, opened(tmp_path, source, "class", **settings):
        pass
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_children_are_started_beforehand_as_many_as_are_asked_for_and_allowed(tmp_path: Path) -> None:
    def children() -> set[int]:
        return {one.pid for one in psutil.Process().children()}

    before = children()
    with opened(tmp_path, COUNTER, "class", at_once=3) as environment:
        environment.prepare(2)
        assert len(children() - before) == 2
        environment.prepare(9)
        started = children() - before
        assert len(started) == 3
        for member in range(3):
            begin(environment, COUNT, member)
        assert children() - before == started


def test_data_without_what_reset_needs_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path, COUNTER, "class") as environment:
        environment.check_rows([WORD, COUNT])
        with pytest.raises(UserError) as caught:
            environment.check_rows([WORD])
    assert str(caught.value) == (
        "environment: The environment needs the column `target`, which no row has; map a column to `target` under Data, "
        "or choose other data (the rows have answer, prompt)."
    )


def test_the_network_is_off_and_switching_it_on_is_warned_of(tmp_path: Path) -> None:
    with opened(tmp_path, COUNTER, "class", network=True) as environment:
        assert "the network is switched on for it" in environment.caution
