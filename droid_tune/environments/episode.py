"""What an environment is to the sampler: episodes of turns, whose answers are polled while other rows decode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

Role = Literal["system", "user", "assistant", "tool"]
#: how an episode ended: the model answered without a call, the environment was done, it was cut (by turns, tokens,
#: time), or something in it went wrong
Ending = Literal["answered", "environment", "turns", "tokens", "time", "failed"]
#: what became of one call: its result was used, the model wrote none that can be read or that fits the tool, the tool
#: itself failed, hung, died or answered nonsense
CallState = Literal["done", "malformed", "unknown", "refused", "failed", "timeout"]
Result = TypeVar("Result", covariant=True)
Message = dict[str, Any]


@dataclass(frozen=True)
class Seeds:
    """What an episode draws its chances from. Members of a group begin alike: `group` knows no member."""

    seed: int
    step: int
    row: int
    member: int = 0

    @property
    def group(self) -> int:
        """For the opening: the same for every member."""
        return _mixed(self.seed, self.step, self.row)

    def turn(self, number: int) -> int:
        """For the environment's answer to the member's turn, from 0."""
        return _mixed(self.seed, self.step, self.row, self.member + 1, number + 1)


def _mixed(*numbers: int) -> int:
    """Numbers of 32 bits from a few small ones, far from each other where those differ (splitmix64's finalizer)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 33


@dataclass(frozen=True)
class ToolCall:
    """A call as the model wrote it, read."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """One message. `calls` and `thinking` are an assistant's, `name` is the tool whose result a tool's turn holds."""

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    thinking: str = ""

    def message(self) -> Message:
        """As chat templates read it (OpenAI's form, arguments as an object)."""
        told: Message = {"role": self.role, "content": self.content}
        if self.thinking:
            told["reasoning_content"] = self.thinking
        if self.calls:
            told["tool_calls"] = [
                {"type": "function", "function": {"name": one.name, "arguments": dict(one.arguments)}}
                for one in self.calls
            ]
        if self.name is not None:
            told["name"] = self.name
        return told


@dataclass(frozen=True)
class CallRecord:
    """One call of a tool, for events, tables and counts. `name` is empty where none could be read."""

    name: str
    arguments: Mapping[str, Any]
    state: CallState
    result: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Answered:
    """What an environment made of one turn of the model's."""

    #: the model's turn as templates write it into the history: where tools are told in words it is the text as it stands
    said: Turn
    #: what the environment adds; empty where the episode is over
    turns: tuple[Turn, ...] = ()
    #: None while the episode goes on
    ending: Ending | None = None
    #: what this turn earned, None where the environment gives nothing by the turn
    reward: float | None = None
    #: with the ending: what the environment gives the whole episode, None where it gives nothing
    episode_reward: float | None = None
    #: with the ending: numbers beside it, by name
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    #: what went wrong, one sentence; set where `ending` is "failed"
    failed: str = ""
    calls: tuple[CallRecord, ...] = ()
    #: how long the environment took, waiting for other episodes not counted
    seconds: float = 0.0
    #: with an ending that is a cut: the turn calls a tool, or begins to, so that what it says beside is no answer
    calling: bool = False
    #: a description of the state that the model sees next, where the environment offers one (groups of equal states)
    state: str = ""

    @property
    def done(self) -> bool:
        """Whether no further turn is asked for."""
        return self.ending is not None


class Handle(Protocol[Result]):
    """An answer that is on its way. Neither method blocks longer than it says."""

    def ready(self) -> bool:
        """Whether `result` returns at once."""
        ...

    def result(self) -> Result:
        """Waits where it is not ready; raises Stopped when the person stops meanwhile."""
        ...


class Episode(Protocol):
    """One trajectory. What goes wrong inside it is an ending, never an exception.

    `text` is what the model sampled, decoded with its special tokens, without the token that ends the turn, behind the
    mark of a thought where its prompt has left one open.
    """

    @property
    def opening(self) -> Sequence[Turn]:
        """The prompt's turns, without the description of the tools."""
        ...

    def step(self, text: str) -> Handle[Answered]:
        """Answer one turn of the model's. `max_turns` and the time limit are watched here."""
        ...

    def cut(self, text: str, ending: Literal["tokens", "time", "turns"]) -> Handle[Answered]:
        """End an episode that is not over, after a last turn that may be unfinished: its calls are not made.

        The answer has the ending, no turns, and the reward of what was reached.
        """
        ...

    def close(self) -> None:
        """Give back what it holds. May be called in the middle of a turn, and twice."""
        ...


class Environment(Protocol):
    """Opens episodes. Several may be open at once; its own limits decide how many run at the same time."""

    @property
    def tools(self) -> Sequence[Message]:
        """Descriptions for the chat template, in OpenAI's form; empty where there are none."""
        ...

    @property
    def caution(self) -> str:
        """What a person should know of what its code can reach; empty where it is shut in on all sides."""
        ...

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Refuse data in which it can never begin. Raises UserError naming the column."""
        ...

    def prepare(self, episodes: int) -> None:
        """Start the children that so many episodes at once are spread over, and wait for them. Raises Stopped."""
        ...

    def open(self, row: Mapping[str, Any], seeds: Seeds) -> Handle[Episode]:
        """Begin an episode of a row (as `Dataset` has it). `result` raises EpisodeError where it cannot begin."""
        ...

    def close(self) -> None:
        """End its children."""
        ...


class EpisodeError(Exception):
    """An episode could not begin; the message is a clause after "the episode"."""
