"""One episode of a user's tools or class: the model's calls are made in a child, in order, and answered."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from droid_tune.config.environments import EnvironmentConfig
from droid_tune.control import Watch
from droid_tune.environments.episode import Answered, CallRecord, Ending, Message, Seeds, ToolCall, Turn
from droid_tune.environments.lanes import Coming, Lane, Lanes, ReadyAnswer
from droid_tune.environments.replies import error_text, refusal, result_turns, shortened
from droid_tune.environments.showing import ShownTools
from droid_tune.environments.turn_reader import ReadTurn
from droid_tune.rewards.children.process import Child, ChildError, ChildHungError

#: the environment's calls say what they earn, as `Owner.judge`
BY_TURNS = "turns"
#: where nobody is asked for the episode's reward
UNASKED = ("", BY_TURNS)


class Owner(Protocol):
    """The environment of an episode, as the episode uses it."""

    config: EnvironmentConfig
    watch: Watch
    lanes: Lanes
    shown: ShownTools
    all_tools: list[Message]
    judge: str

    def ask(self, child: Child, message: Message) -> Message:
        """A child's answer within the time limit. Raises ChildError."""
        ...


class EpisodeFailed(Exception):  # noqa: N818 - it says what happened
    """Nothing more can come of the episode; the message is a sentence."""


class OwnEpisode:
    """`lane` is where its object lives; None for tools without state, whose calls any child may make."""

    def __init__(
        self,
        owner: Owner,
        lane: Lane | None,
        number: int,
        opening: Sequence[Turn],
        row: Mapping[str, Any],
        seeds: Seeds,
    ) -> None:
        self.opening = tuple(opening)
        self._owner, self._lane, self._number, self._row, self._seeds = owner, lane, number, row, seeds
        self._turns: list[Turn] = []  # behind the opening
        self._spoken = 0
        self._seconds = 0.0
        self._earned: float | None = None  # by the turn that is being answered
        self._over = False  # so says what was called
        self._closed = False

    def step(self, text: str) -> Coming[Answered] | ReadyAnswer[Answered]:
        """Make the calls of a turn; one without any ends the episode."""
        read = self._owner.shown.read(text)
        self._turns.append(read.turn)
        self._spoken += 1
        if not read.order:
            return self._ended(read.turn, "answered")
        if self._spoken >= self._owner.config.max_turns:
            return self._ended(read.turn, "turns", calling=True)
        lane = self._lane or self._owner.lanes.pick()
        return Coming(lane.put(lambda child: self._answered(child, read)), self._owner.watch)

    def cut(
        self, text: str, ending: Literal["tokens", "time", "turns"]
    ) -> Coming[Answered] | ReadyAnswer[Answered]:
        """End it after a turn whose calls are not made."""
        read = self._owner.shown.read(text)
        if (
            text
        ):  # else it is cut between two turns, and who judges it sees no turn that the model never began
            self._turns.append(read.turn)
        return self._ended(read.turn, ending, calling=bool(read.order))

    def close(self) -> None:
        """Let go of its object."""
        if self._lane is not None and not self._closed:
            self._lane.bind(-1)
            self._lane.put(self._forget)
        self._closed = True

    def _forget(self, child: Child) -> None:
        try:
            self._owner.ask(child, {"do": "end", "episode": self._number})
        except ChildError:
            return  # it is gone with its child

    def _ended(
        self, said: Turn, ending: Ending, *, calling: bool = False
    ) -> Coming[Answered] | ReadyAnswer[Answered]:
        if self._lane is None or self._owner.judge in UNASKED:
            return ReadyAnswer(Answered(said, ending=ending, episode_reward=self._beside, calling=calling))
        future = self._lane.put(lambda child: replace(self._judged(child, said, ending), calling=calling))
        return Coming(future, self._owner.watch)

    @property
    def _beside(self) -> float | None:
        """What an episode has beside its turns' rewards: one that earns by them and made no call has earned nothing."""
        return 0.0 if self._owner.judge == BY_TURNS else None

    # -- in the lane's thread ----------------------------------------------------------------------------------------

    def _answered(self, child: Child, read: ReadTurn) -> Answered:
        began = time.perf_counter()
        records: list[CallRecord] = []
        self._earned = None
        try:
            for place, found in enumerate(read.order):
                if not self._over:
                    records.append(self._made(child, found, place))
        except EpisodeFailed as error:
            took = time.perf_counter() - began
            return Answered(read.turn, ending="failed", failed=str(error), calls=tuple(records), seconds=took)
        took = time.perf_counter() - began
        self._seconds += took
        earned, calls = self._earned, tuple(records)
        if self._over:
            return Answered(
                read.turn,
                ending="environment",
                reward=earned,
                episode_reward=self._beside,
                calls=calls,
                seconds=took,
            )
        most = self._owner.config.episode_seconds
        if most and self._seconds > most:
            judged = self._judged(child, read.turn, "time", calls, took)
            return replace(judged, reward=earned, calling=True)
        turns = result_turns(records, in_words=self._owner.shown.in_words)
        self._turns += turns
        return Answered(read.turn, turns, reward=earned, calls=calls, seconds=took)

    def _made(self, child: Child, found: ToolCall | str, place: int) -> CallRecord:
        """One call. Raises EpisodeFailed where the episode's own object is gone."""
        refused = refusal(found, self._owner.all_tools)
        if refused is not None or isinstance(found, str):
            return refused or CallRecord("", {}, "malformed", "")
        request: Message = {
            "do": "call",
            "episode": self._number,
            "name": found.name,
            "arguments": dict(found.arguments),
            "seed": self._seeds.turn(self._spoken * 1000 + place),
        }
        began = time.perf_counter()
        try:
            reply = self._owner.ask(child, request)
        except ChildError as error:
            if self._lane is not None:
                raise EpisodeFailed(f"The tool `{found.name}` {error}.") from None
            reply = {"raised": f"the tool {error}", "timeout": isinstance(error, ChildHungError)}
        return self._record(found, reply, time.perf_counter() - began)

    def _record(self, call: ToolCall, reply: Message, took: float) -> CallRecord:
        if "error" in reply:
            raise EpisodeFailed(f"The episode {reply['error']}.")
        self._over = bool(reply.get("done"))
        if reply.get("reward") is not None:
            self._earned = (self._earned or 0.0) + reply["reward"]
        most = self._owner.config.result_characters
        if "result" in reply:
            return CallRecord(call.name, call.arguments, "done", shortened(reply["result"], most), took)
        state = "timeout" if reply.get("timeout") else "failed"
        return CallRecord(
            call.name, call.arguments, state, error_text(shortened(reply["raised"], most)), took
        )

    def _judged(
        self,
        child: Child,
        said: Turn,
        ending: Ending,
        calls: tuple[CallRecord, ...] = (),
        before: float = 0.0,
    ) -> Answered:
        if self._lane is None or self._owner.judge in UNASKED:
            return Answered(said, ending=ending, episode_reward=self._beside, calls=calls, seconds=before)
        began = time.perf_counter()
        told = {
            "row": dict(self._row),
            "prompt": [one.message() for one in self.opening],
            "completion": [one.message() for one in self._turns],
        }
        request: Message = {"do": "judge", "episode": self._number, "told": told, "seed": self._seeds.turn(0)}
        reply: Message
        try:
            reply = self._owner.ask(child, request)
        except ChildError as error:
            reply = {"error": str(error), "place": ""}
        took = before + time.perf_counter() - began
        if "error" in reply:
            why = f"The reward of the episode could not be had: {reply['error']} ({reply['place']})."
            return Answered(said, ending="failed", failed=why.replace(" ()", ""), calls=calls, seconds=took)
        return Answered(said, ending=ending, episode_reward=reply["value"], calls=calls, seconds=took)
