"""Answers that begin with their prompt: UltraFeedback and many others hold the whole conversation on each side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

from droid_tune.data.formats.parts.messages import Message, plain_messages, spoken_turns

Turns = list[Message]
_INSTRUCTIONS = ("system", "developer")


def turns_in(value: Any) -> Turns:
    """The turns of a side that is text (the assistant's), one message or a list of messages."""
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    return plain_messages([value] if isinstance(value, dict) else value)


def dialogue(value: Any) -> Turns:
    """The turns of a side; of a text those whose speakers it names, else the assistant's one."""
    return (spoken_turns(value) if isinstance(value, str) else []) or turns_in(value)


def shared_turns(sides: Sequence[Turns]) -> Turns:
    """The turns with which all sides begin, the last of each left out."""
    levels = zip(*(side[:-1] for side in sides), strict=False)
    return [turns[0] for turns in takewhile(lambda turns: all(one == turns[0] for one in turns), levels)]


def apart(prompt: Any, sides: Sequence[Any]) -> tuple[Any, list[Any]]:
    """`(prompt, sides)` with what the sides repeat of the prompt in the prompt alone; others come back as they are.

    No answer begins with a user's turn: what all sides begin with is then the prompt, where the prompt's own turns are
    among it, or hold it with the answer behind (`messages` beside a pair end with the chosen one).
    """
    if isinstance(prompt, str) and all(isinstance(side, str) and "Assistant:" not in side for side in sides):
        return prompt, list(sides)
    turns, said = _asked(prompt), [dialogue(side) for side in sides]
    shared = shared_turns(said) if len(said) > 1 else _up_to(said[0][:-1], turns)
    heard, wanted = _heard(shared), _heard(turns)
    if not heard or heard[-1][0] != "user":
        repeated = [_up_to(side[:-1], turns) for side in said]  # one side alone may begin so
        if len(said) > 1 and any(_instructed_anew(own, turns) for own in repeated):
            return [], [_behind_own(side, own, turns) for side, own in zip(said, repeated, strict=True)]
        rest = [
            side[len(own) :] if own else given for given, side, own in zip(sides, said, repeated, strict=True)
        ]
        return _unanswered(prompt, said), rest
    if not (heard[: len(wanted)] == wanted or wanted[: len(heard)] == heard or wanted[-1] in heard):
        return prompt, list(sides)
    instructed = shared[0]["role"] in _INSTRUCTIONS
    system = [turn for turn in turns[:1] if turn["role"] in _INSTRUCTIONS and not instructed]
    return [*system, *shared], [side[len(shared) :] for side in said]


def _asked(prompt: Any) -> Turns:
    if not isinstance(prompt, str):
        return plain_messages(prompt)
    spoken = spoken_turns(prompt)
    if spoken and not spoken[-1]["content"]:
        spoken = spoken[:-1]
    return spoken or [{"role": "user", "content": prompt}]


def _up_to(side: Turns, turns: Turns) -> Turns:
    """What one side repeats of the prompt: it has no other side to tell where its answer begins."""
    wanted = _heard(turns)
    for end in range(1, len(side) + 1) if wanted else ():
        if _heard(side[:end]) == wanted:
            return side[:end]
    return []


def _behind_own(side: Turns, own: Turns, turns: Turns) -> Turns:
    """A side as a whole conversation: with its own instructions, else with the prompt's."""
    if not own:
        return [*turns, *side]
    theirs = [] if own[0]["role"] in _INSTRUCTIONS else turns[:1]
    return [*(turn for turn in theirs if turn["role"] in _INSTRUCTIONS), *side]


def _instructed_anew(own: Turns, turns: Turns) -> bool:
    """Whether a side repeats the prompt behind other instructions than the prompt's: they are that side's alone."""
    return own[:1] != turns[:1] and bool(own) and own[0]["role"] in _INSTRUCTIONS


def _unanswered(prompt: Any, sides: Sequence[Turns]) -> Any:
    """A conversation that ends with one of the answers without it."""
    if not isinstance(prompt, list) or len(cast("Turns", prompt)) < 2 or len(sides) < 2:
        return prompt
    end = plain_messages(cast("Turns", prompt)[-1:])
    answered = end[0]["role"] == "assistant" and _heard(end) in [_heard(side) for side in sides]
    return prompt[:-1] if answered else prompt


def _heard(turns: Turns) -> list[tuple[str, str]]:
    """Who says what, instructions left out."""
    return [(turn["role"], turn["content"].strip()) for turn in turns if turn["role"] not in _INSTRUCTIONS]
