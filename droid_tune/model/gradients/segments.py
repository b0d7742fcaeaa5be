"""Back-propagation through long rows, so many tokens at a time: one segment's activations exist at any moment.

Forth, a segment runs behind the keys, values and states of those before it and leaves its own; nothing else is kept. Back,
the last segment comes first: each is run again with its gradient, and what it gives to the keys, values and states before
it is added to what the later ones gave. That costs one more forward pass (checkpoints along the tokens in place of the
layers: Chen et al., arXiv 1604.06174); what grows with a row's length is its cache, that one's gradient, and the last states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import mlx.core as mx

from droid_tune.model.caches.prefix import Leaves, flat_leaves
from droid_tune.model.gradients.trainables import Trainables

Arrays = list[mx.array]


class RowSegment(Protocol):
    """The hidden states, evaluated, of some tokens, then what they leave in the caches; `pull` as of a `Pullback`."""

    results: Arrays
    leaves_after: Leaves

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays: ...


#: (tokens (n, t), the leaves before them, which segment it is, whether it will be pulled back) -> the segment
MakeSegment = Callable[[mx.array, Leaves | None, int, bool], RowSegment]


class SegmentedPass:
    """A body's pass over `tokens` (n, T), `length` at a time, behind `leaves` (None: from the beginning).

    `results` are the hidden states (n, T, D) and, where it `keeps` them, the leaves behind the last token, flat. `pull`
    gives the gradient by every trainable, then by every given leaf. `growing` says which leaves of each layer grow along
    axis 2; the others are states. A given leaf of one row is every row's.
    """

    def __init__(
        self,
        make: MakeSegment,
        trainables: Trainables,
        tokens: mx.array,
        length: int,
        leaves: Leaves | None,
        growing: list[list[bool]],
        *,
        keeps: bool,
    ) -> None:
        self._make, self.trainables, self._tokens, self._given = make, trainables, tokens, leaves
        self._growing = growing
        total = int(tokens.shape[1])
        self._spans = [slice(start, min(start + length, total)) for start in range(0, total, length)]
        self._states: list[Leaves] = []  # behind each segment; None where a leaf grows
        hidden: Arrays = []
        before = leaves
        for place, span in enumerate(self._spans):
            segment = make(tokens[:, span], before, place, False)
            hidden.append(segment.results[0])
            before = self._extended(before, segment.leaves_after)
            mx.eval(flat_leaves(before))
            self._states.append(self._each(before, lambda leaf, grows: None if grows else leaf))
        self._whole: Leaves = before or []
        self.hidden = mx.concatenate(hidden, axis=1)
        self.leaves_after: Leaves = self._whole if keeps else []
        self.results = [self.hidden, *flat_leaves(self.leaves_after)]
        mx.eval(self.results)

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        """Gradient by trainables and given leaves of sum(results * cotangents); those of the leaves may be left out."""
        count = len(self.trainables.arrays)
        gradients = self.trainables.zeros()
        grows = self._present(self._whole)
        #: the gradient by the leaves behind a segment; None where nothing was read of them yet
        later: list[mx.array | None] = list(cotangents[1:]) or [None] * len(grows)
        for place in reversed(range(len(self._spans))):
            pulled = self._pulled(place, cotangents[0], later, grows)
            gradients = [a + b for a, b in zip(gradients, pulled[:count], strict=True)]
            rest = pulled[count:]
            pulled.clear()  # no name holds a part while the sums are computed
            if place or self._given is not None:
                later = self._earlier(later, rest, self._behind(place), grows)
            mx.eval(gradients, later)
        return [*gradients, *(one for one in later if self._given is not None and one is not None)]

    def _pulled(
        self, place: int, gradient: mx.array, later: Sequence[mx.array | None], grows: list[bool]
    ) -> Arrays:
        """One segment, forth and back."""
        span, behind = self._spans[place], self._behind(place)
        end = behind + span.stop - span.start
        segment = self._make(self._tokens[:, span], self._before(place), place, True)
        own = [
            mx.zeros_like(left) if one is None else one[:, :, behind:end] if wide else one
            for one, wide, left in zip(later, grows, segment.results[1:], strict=True)
        ]
        return segment.pull([gradient[:, span], *own])

    def _earlier(
        self, later: list[mx.array | None], pulled: Arrays, behind: int, grows: list[bool]
    ) -> list[mx.array | None]:
        """The gradient by the leaves before a segment: its own, and what later segments gave the keys before it. Both lists
        are emptied."""
        found: list[mx.array | None] = []
        for wide in grows:
            one, own = later.pop(0), pulled.pop(0)
            kept = one[:, :, :behind] if wide and one is not None else None
            if kept is not None and own.shape[0] < kept.shape[0]:
                kept = kept.sum(axis=0, keepdims=True)  # the prompt's, which is every row's
            found.append(own if kept is None else kept + own)
        return found

    def _behind(self, place: int) -> int:
        """How many tokens what grows has before a segment; 0 where nothing does."""
        lengths = [
            leaf.shape[2]
            for leaf, grows in zip(flat_leaves(self._whole), self._present(self._whole), strict=True)
            if grows
        ]
        return lengths[0] - self._tokens.shape[1] + self._spans[place].start if lengths else 0

    def _before(self, place: int) -> Leaves | None:
        """The leaves that a segment runs behind."""
        if not place:
            return self._given
        behind, states = self._behind(place), self._states[place - 1]
        return [
            [
                leaf[:, :, :behind] if grows and leaf is not None else state
                for leaf, grows, state in zip(*layers, strict=True)
            ]
            for layers in zip(self._whole, self._growing, states, strict=True)
        ]

    def _extended(self, before: Leaves | None, own: Leaves) -> Leaves:
        """The leaves behind a segment, of every row."""
        if before is None:
            return own
        rows = int(self._tokens.shape[0])
        return [
            [
                mx.concatenate([_of_rows(old, rows), new], axis=2)
                if grows and old is not None and new is not None
                else new
                for old, new, grows in zip(*layers, strict=True)
            ]
            for layers in zip(before, own, self._growing, strict=True)
        ]

    def _each(self, leaves: Leaves, of: Callable[[mx.array | None, bool], mx.array | None]) -> Leaves:
        return [
            [of(leaf, grows) for leaf, grows in zip(*layers, strict=True)]
            for layers in zip(leaves, self._growing, strict=True)
        ]

    def _present(self, leaves: Leaves) -> list[bool]:
        """Of the leaves that are there, flat, which grow."""
        return [
            grows
            for layer, flags in zip(leaves, self._growing, strict=True)
            for leaf, grows in zip(layer, flags, strict=True)
            if leaf is not None
        ]


def _of_rows(leaf: mx.array, rows: int) -> mx.array:
    return leaf if leaf.shape[0] == rows else mx.repeat(leaf, rows, axis=0)
