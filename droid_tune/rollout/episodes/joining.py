"""What rows bring into a decoding batch: the prompts that they share, and the tokens that they have not been fed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from droid_tune.model.caches.ragged import SlotPrompts, slot_prompts
from droid_tune.model.policy import Policy
from droid_tune.rollout.prefilled import PrefilledPrompt, prefilled


@dataclass(frozen=True)
class Joining:
    """A row that comes (back) into the batch: the prompt it continues, and the tokens that it has not been fed yet."""

    row: int
    prompt: int
    tokens: Sequence[int]


class Prompts:
    """Prompts by number, each run once, and given back when no row continues it any more."""

    def __init__(self, policy: Policy, chunk: int) -> None:
        self._policy, self._chunk = policy, chunk
        self._ready: dict[int, PrefilledPrompt] = {}
        self._users: dict[int, set[int]] = {}
        self._joined: list[tuple[list[int], list[SlotPrompts]]] = []

    def use(self, prompt: int, tokens: Sequence[int], rows: Sequence[int]) -> bool:
        """Run a prompt that `rows` will continue; False where it has been run already."""
        if prompt in self._ready:
            return False
        (self._ready[prompt],) = prefilled(self._policy, [tokens], self._chunk)
        self._users[prompt] = set(rows)
        return True

    def release(self, prompt: int, row: int) -> None:
        """A row is over."""
        users = self._users.get(prompt, set())
        users.discard(row)
        if not users and prompt in self._ready:
            del self._ready[prompt], self._users[prompt]
            self._joined = [one for one in self._joined if prompt not in one[0]]

    def __getitem__(self, prompt: int) -> PrefilledPrompt:
        return self._ready[prompt]

    def side_by_side(self, chosen: Sequence[int]) -> list[SlotPrompts]:
        """Each layer's keys and values of some prompts, one for each slot; the last asked for are kept."""
        if list(chosen) not in [known for known, _ in self._joined]:
            made = slot_prompts([self._ready[prompt].caches for prompt in chosen])
            self._joined = [*self._joined[-1:], (list(chosen), made)]
        return next(made for known, made in self._joined if known == list(chosen))


class Stretch(NamedTuple):
    """Tokens (n, T) that rows are fed together, and how many of each row's are real (n,)."""

    tokens: np.ndarray
    real: np.ndarray


def stretches_of(rows: Sequence[Sequence[int]], width: int) -> Iterator[Stretch]:
    """Rows of tokens, padded on the right, in stretches of at most `width` columns."""
    counts = np.array([len(row) for row in rows])
    for start in range(0, int(counts.max()), width):
        parts = [list(row[start : start + width]) for row in rows]
        longest = max(len(part) for part in parts)
        padded = [part + [0] * (longest - len(part)) for part in parts]
        yield Stretch(np.array(padded, np.int32), np.array([len(part) for part in parts]))
