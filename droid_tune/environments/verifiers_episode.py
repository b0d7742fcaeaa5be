"""One rollout of the `verifiers` library: what it asks its model next is what the turns of the episode are told from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from droid_tune.config.environments import VerifiersEnvironment
from droid_tune.control import Watch
from droid_tune.environments.bridge import Bridge
from droid_tune.environments.episode import Answered, CallRecord, Ending, Message, Seeds, ToolCall, Turn
from droid_tune.environments.lanes import Coming, ReadyAnswer, Then
from droid_tune.environments.openings import turn_of
from droid_tune.environments.replies import refusal, result_turns, shortened
from droid_tune.environments.showing import ShownTools
from droid_tune.environments.turn_reader import ReadTurn


class RolloutOwner(Protocol):
    """The environment of a rollout, as the rollout uses it."""

    config: VerifiersEnvironment
    watch: Watch
    shown: ShownTools
    all_tools: list[Message]

    def ended(self) -> None:
        """An episode is closed."""
        ...


class VerifiersEpisode:
    """`messages` are those of the library's last request; the library never sees calls that could not be made."""

    def __init__(
        self,
        owner: RolloutOwner,
        bridge: Bridge,
        number: int,
        opening: Sequence[Turn],
        messages: Sequence[Message],
        seeds: Seeds,
    ) -> None:
        self.opening = tuple(opening)
        self._owner, self._bridge, self._number, self._seeds = owner, bridge, number, seeds
        self._messages = list(messages)
        self._spoken = self._calls = 0
        self._seconds = 0.0
        self._closed = False

    def step(self, text: str) -> Then[Answered] | ReadyAnswer[Answered]:
        """Give the library the model's turn, and hear what it asks next."""
        read = self._owner.shown.read(text)
        self._spoken += 1
        if read.order and self._spoken >= self._owner.config.max_turns:
            return self._last(read, text, "turns")
        refused = [refusal(one, self._owner.all_tools) for one in read.order]
        records = [one for one in refused if one is not None]
        if records and len(records) == len(read.order):
            turns = result_turns(records, in_words=self._owner.shown.in_words)
            return ReadyAnswer(Answered(read.turn, turns, calls=tuple(records)))
        good = [
            one
            for one, bad in zip(read.order, refused, strict=True)
            if bad is None and isinstance(one, ToolCall)
        ]
        over = not good and self._spoken >= self._owner.config.max_turns

        def heard(event: Message, took: float) -> Answered:
            return self._heard(event, read, good, refused, took)

        return self._sent(self._message(read, text, good), over=over, then=heard)

    def cut(self, text: str, ending: Literal["tokens", "time", "turns"]) -> Then[Answered]:
        """End it after a turn whose calls are not made."""
        return self._last(self._owner.shown.read(text), text, ending)

    def close(self) -> None:
        """Let go of the rollout."""
        if not self._closed:
            self._closed = True
            self._bridge.tell({"do": "end", "episode": self._number})
            self._owner.ended()

    def _last(self, read: ReadTurn, text: str, ending: Ending) -> Then[Answered]:
        """The rubric sees what the turn says beside calls that are not made: their arguments are no answer."""
        calling = bool(read.order)

        def heard(event: Message, took: float) -> Answered:
            return replace(self._over(event, read.turn, (), took, ending), calling=calling)

        said = self._owner.shown.reader.read(text).turn.content if calling else text
        return self._sent({"role": "assistant", "content": said}, over=True, then=heard)

    def _sent(
        self, message: Message, *, over: bool, then: Callable[[Message, float], Answered]
    ) -> Then[Answered]:
        self._messages.append(message)
        post = {"do": "answer", "episode": self._number, "message": message, "over": over}
        began = time.perf_counter()
        future = self._bridge.send({**post, "seed": self._seeds.turn(self._spoken)})
        took: list[float] = []
        future.add_done_callback(lambda _: took.append(time.perf_counter() - began))

        def made(event: Message) -> Answered:
            return then(event, took[0] if took else 0.0)

        return Then(Coming(future, self._owner.watch), made)

    def _message(self, read: ReadTurn, text: str, good: Sequence[ToolCall]) -> Message:
        """The model's turn in OpenAI's form; its thoughts stay where it wrote them unless it calls a tool."""
        if not good:
            return {"role": "assistant", "content": text}
        calls: list[Message] = []
        for one in good:
            self._calls += 1
            function = {"name": one.name, "arguments": json.dumps(dict(one.arguments))}
            calls.append({"id": f"call{self._calls:05d}", "type": "function", "function": function})
        return {"role": "assistant", "content": read.turn.content, "tool_calls": calls}

    def _heard(
        self,
        event: Message,
        read: ReadTurn,
        good: Sequence[ToolCall],
        refused: Sequence[CallRecord | None],
        took: float,
    ) -> Answered:
        """The library's next request as turns, or the end. `refused` has a place for each call, None for a good one."""
        if "messages" not in event:
            done = [CallRecord(one.name, one.arguments, "done", "") for one in good]
            return self._over(event, read.turn, _in_order(refused, done), took, None)
        before, now = self._messages, list(event["messages"])
        if not _extends(before, now):
            why = "The environment rewrites what was said before, so that its tokens cannot be kept."
            return Answered(read.turn, ending="failed", failed=why, seconds=took)
        self._messages = now
        calls: Sequence[Message] = before[-1].get("tool_calls") or ()
        most_characters = self._owner.config.result_characters
        done, others = results_of(now[len(before) :], calls, good, most_characters)
        records = _in_order(refused, done)
        turns = [*result_turns(records, in_words=self._owner.shown.in_words), *others] if records else others
        self._seconds += took
        most = self._owner.config.episode_seconds
        if most and self._seconds > most:
            return Answered(read.turn, ending="time", calls=tuple(records), seconds=took, calling=True)
        return Answered(read.turn, tuple(turns), calls=tuple(records), seconds=took)

    def _over(
        self, event: Message, said: Turn, calls: Sequence[CallRecord], took: float, ending: Ending | None
    ) -> Answered:
        done: Message = event.get("done") or {}
        error = (
            event.get("error") or done.get("error") or ("" if done else "it was lost: its process was ended")
        )
        if error and ending is None:
            why = f"The episode failed: {error}"
            return Answered(said, ending="failed", failed=why, calls=tuple(calls), seconds=took)
        if event.get("error"):
            return Answered(said, ending="failed", failed=f"The episode failed: {error}", seconds=took)
        return Answered(
            said,
            ending=ending or self._ending(done.get("stop", "")),
            episode_reward=done.get("reward"),
            parts=done.get("parts") or {},
            calls=tuple(calls),
            seconds=took,
        )

    def _ending(self, stop: str) -> Ending:
        if stop == "no_tools_called" or (stop == "max_turns_reached" and self._spoken == 1):
            return "answered"
        # it asked for one turn more than it may have
        return "turns" if stop in ("max_turns_reached", "prompt_too_long") else "environment"


def results_of(
    added: Sequence[Message], calls: Sequence[Message], good: Sequence[ToolCall], most: int
) -> tuple[list[CallRecord], list[Turn]]:
    """What the library added: results of calls, in the calls' order, and turns of its own. `calls` are the `good` ones as it
    was told of them, with their ids; a result has at most so many characters."""
    waiting = {str(call["id"]): one for call, one in zip(calls, good, strict=True)}
    found: dict[str, CallRecord] = {}
    others: list[Turn] = []
    for one in turns_in(added):
        known = str(one.get("tool_call_id") or "")
        number = known if known in waiting else next(iter(waiting), "")
        if one["role"] == "tool" and number:
            call = waiting.pop(number)
            found[number] = CallRecord(call.name, call.arguments, "done", shortened(one["content"], most))
        else:
            others.append(turn_of(one))
    return [found[str(call["id"])] for call in calls if str(call["id"]) in found], others


def _in_order(refused: Sequence[CallRecord | None], done: Sequence[CallRecord]) -> list[CallRecord]:
    """The records of a turn's calls as these were written: results are told apart by their order alone."""
    left = list(done)
    placed = [one or (left.pop(0) if left else None) for one in refused]
    return [*(one for one in placed if one is not None), *left]


def turns_in(messages: Sequence[Message]) -> list[Message]:
    """Messages with their content as text."""
    return [{**one, "content": text_of_content(one.get("content"))} for one in messages]


def text_of_content(content: Any) -> str:
    """A message's content, which may come in parts, as text."""
    if isinstance(content, list):
        parts: list[Any] = content
        return "".join(str(one.get("text", "")) if isinstance(one, Mapping) else str(one) for one in parts)  # pyright: ignore[reportUnknownMemberType]
    return "" if content is None else str(content)


def _extends(before: Sequence[Message], now: Sequence[Message]) -> bool:
    """Whether the messages go on where they were."""
    told, known = turns_in(now[: len(before)]), turns_in(before)
    return len(now) >= len(before) and all(
        (one["role"], one["content"]) == (other["role"], other["content"])
        for one, other in zip(told, known, strict=True)
    )
