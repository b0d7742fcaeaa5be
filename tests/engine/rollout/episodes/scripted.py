"""An environment without children: it answers by a rule, as late as it is told to, and counts what is open."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from droid_tune.environments.episode import (
    Answered,
    CallRecord,
    EpisodeError,
    Message,
    Seeds,
    ToolCall,
    Turn,
)

T = TypeVar("T")


class Late(Generic[T]):
    """Ready after so many looks, or so many seconds."""

    def __init__(self, made: Callable[[], T], looks: int = 0, seconds: float = 0.0) -> None:
        self._made, self._looks, self._due = made, looks, time.perf_counter() + seconds

    def ready(self) -> bool:
        self._looks -= 1
        return self._looks < 0 and time.perf_counter() >= self._due

    def result(self) -> T:
        return self._made()


@dataclass
class Scripted:
    """`turns` turns of a user's (or a tool's) answer the model, then the episode is done. `reward` of a turn's text."""

    turns: int = 3
    role: Literal["user", "tool"] = "user"
    late: int = 0
    seconds: float = 0.0
    own_openings: bool = False
    failing: Sequence[int] = ()
    reward: Callable[[str], float | None] = lambda text: float(len(text) % 3)
    seed: int = 0
    opened: int = 0
    closed: int = 0
    prepared: int = 0
    tools: Sequence[Message] = ()
    asked: list[str] = field(default_factory=list[str])

    def delay(self) -> int:
        self.seed += 1
        return random.Random(self.seed).randrange(self.late) if self.late else 0

    @property
    def caution(self) -> str:
        return ""

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Every row has what it needs."""

    def prepare(self, episodes: int) -> None:
        self.prepared = episodes

    def open(self, row: Mapping[str, Any], seeds: Seeds) -> Late[ScriptedEpisode]:
        return Late(lambda: self._begin(row, seeds), self.delay())

    def _begin(self, row: Mapping[str, Any], seeds: Seeds) -> ScriptedEpisode:
        if seeds.member in self.failing:
            raise EpisodeError("has no floor to stand on")
        self.opened += 1
        own = f" You are {seeds.member}." if self.own_openings else ""
        return ScriptedEpisode(self, [Turn("user", f"{row['prompt']}{own}")], seeds)

    def close(self) -> None:
        pass


class ScriptedEpisode:
    def __init__(self, home: Scripted, opening: list[Turn], seeds: Seeds) -> None:
        self.opening, self._home, self._seeds, self._count = opening, home, seeds, 0

    def step(self, text: str) -> Late[Answered]:
        self._home.asked.append(text)
        self._count += 1
        return Late(self._made(text, self._count), self._home.delay(), self._home.seconds)

    def _made(self, text: str, count: int) -> Callable[[], Answered]:
        home = self._home
        call = ToolCall("look", {"at": text})
        calls = (call,) if home.role == "tool" else ()
        said = Turn("assistant", text, calls)
        reward = home.reward(text)
        if count > home.turns:
            return lambda: Answered(said, ending="environment", reward=reward, episode_reward=1.0)
        told = f"more {zlib.crc32(text.encode()) % 7 + self._seeds.turn(count) % 3}"
        turn = Turn(home.role, told, name="look" if calls else None)
        records = (CallRecord("look", {"at": text}, "done", told, 0.1),) if calls else ()
        return lambda: Answered(said, (turn,), reward=reward, calls=records)

    def cut(self, text: str, ending: Literal["tokens", "time", "turns"]) -> Late[Answered]:
        return Late(lambda: Answered(Turn("assistant", text), ending=ending))

    def close(self) -> None:
        self._home.closed += 1
