"""Completions to read first: a high reward, earned in a way that a person should look at."""

from __future__ import annotations

import heapq
import statistics
from dataclasses import dataclass, field

from droid_tune.events import Completion, RolloutGroup
from droid_tune.word_split import repeated_share, words
from droid_tune.words import count

#: a reward in the upper tenth of what the run ever gave is high
HIGH = 0.9
#: a completion so many times as long as at the start, and so many tokens longer, has jumped
JUMP, JUMP_TOKENS = 2.5, 16
#: sequences of so many words that repeat: this share of them is much, in a text of so many words at least
NGRAM, REPEATED, LEAST_WORDS = 4, 0.4, 16
#: an answer without working: a quarter of the length at the start, which must have had room for some
BARE, WORKED_TOKENS = 0.25, 24
#: how many are kept while the file is read, and how many are told
KEPT, TOLD = 60, 8
#: characters of a completion that are told
EXCERPT = 600


@dataclass(frozen=True, order=True)
class Suspect:
    """One completion and why it should be read; the order is that of urgency."""

    weight: int
    reward: float
    step: int
    group: int
    place: int
    prompt: str
    text: str
    reasons: tuple[str, ...]


@dataclass
class Suspicion:
    """Reads the groups of a run in their order; memory is bounded by what is kept."""

    steps: int
    _lengths: list[int] = field(default_factory=list[int])
    _usual: float = 0.0
    _least: float = 0.0
    _most: float = 0.0
    _seen: bool = False
    _kept: list[Suspect] = field(default_factory=list[Suspect])
    _newest: list[Suspect] = field(
        default_factory=list[Suspect]
    )  # of one step, without a reason of their own

    def add(self, group: RolloutGroup) -> None:
        """One more group; the first tenth of the steps says how long completions were."""
        for one in group.completions:
            if one.reward is not None:
                self._widen(one.reward)
        if group.step <= max(1, self.steps // 10):
            self._lengths += [one.length for one in group.completions]
            return
        if self._lengths:
            self._usual, self._lengths = float(statistics.median(self._lengths)), []
        for place, one in enumerate(group.completions):
            if one.reward is not None and self._high(one.reward):
                self._judge(group, place, one, one.reward)

    def found(self, *, flat: bool) -> tuple[Suspect, ...]:
        """The most urgent, one of a prompt. `flat`: held-out answers did not get better, so the newest high ones count."""
        named = [*self._kept, *(self._newest if flat else ())]
        told: dict[str, Suspect] = {}
        for one in sorted(named, reverse=True):
            if self._high(one.reward) and one.prompt not in told:
                told[one.prompt] = one
        return tuple(list(told.values())[:TOLD])

    def _judge(self, group: RolloutGroup, place: int, one: Completion, reward: float) -> None:
        reasons = reasons_of(one, self._usual)
        suspect = Suspect(
            len(reasons),
            reward,
            group.step,
            group.group,
            place,
            group.prompt[:EXCERPT],
            one.text[:EXCERPT],
            reasons or ("a high reward, while held-out answers did not get better",),
        )
        if reasons:
            push = heapq.heappush if len(self._kept) < KEPT else heapq.heappushpop
            push(self._kept, suspect)
            return
        same = [kept for kept in self._newest if kept.step >= group.step]
        self._newest = [*same, suspect][:TOLD]

    def _widen(self, reward: float) -> None:
        self._least = min(self._least, reward) if self._seen else reward
        self._most = max(self._most, reward) if self._seen else reward
        self._seen = True

    def _high(self, reward: float) -> bool:
        return self._most > self._least and reward >= self._least + HIGH * (self._most - self._least)


def reasons_of(one: Completion, usual: float) -> tuple[str, ...]:
    """Why a well rewarded completion should be read; `usual` is the median length at the start, in tokens."""
    found: list[str] = []
    if usual and one.length > max(JUMP * usual, usual + JUMP_TOKENS):
        found.append(f"{one.length} tokens, {one.length / usual:.1f} times as long as at the start")
    said = words(one.text)
    repeated = repeated_share(one.text, NGRAM) if len(said) >= LEAST_WORDS else 0.0
    if repeated > REPEATED:
        found.append(f"{repeated:.0%} of its {NGRAM}-word sequences repeat")
    if usual >= WORKED_TOKENS and one.length < BARE * usual:
        found.append(f"an answer without working: {count(one.length, 'token')}, at the start {usual:.0f}")
    return tuple(found)
