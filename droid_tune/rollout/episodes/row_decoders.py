"""Decoding rows that leave the batch between their turns and come back, with all that they have read kept.

The caller puts the kernels in force (`own_kernels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import mlx.core as mx
import numpy as np

from droid_tune.model.caches.ragged import with_room
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes.joining import Joining, Prompts, stretches_of
from droid_tune.rollout.episodes.own_rows import OwnRows
from droid_tune.rollout.episodes.slotted_batch import Own, SlottedBatch


class RowDecoder(Protocol):
    """Rows that are decoded together, each as far as it has come."""

    #: whether a row may be fed a token beyond its last, which `leave` takes back
    looks_ahead: bool

    @property
    def rows(self) -> Sequence[int]:
        """The rows of the batch, in order."""
        ...

    def step(self, tokens: mx.array) -> mx.array:
        """Logits (n, V) after one further token of each row of the batch (n,)."""
        ...

    def leave(self, rows: Sequence[int], fed: Sequence[int]) -> None:
        """Take rows out of the batch and keep what they have read: so many tokens behind their prompts."""
        ...

    def join(self, rows: Sequence[Joining]) -> mx.array:
        """Put rows at the batch's end, in an order of its own (`rows`); the logits (n, V) behind their tokens, in it."""
        ...

    def forget(self, row: int) -> None:
        """Let go of a row that is not in the batch."""
        ...


class SharedRows:
    """Prompts stay shared; each row writes behind its own last token (see model/caches/ragged.py)."""

    looks_ahead = True

    def __init__(self, policy: Policy, prompts: Prompts, chunk: int) -> None:
        self._model, self._prompts, self._chunk = policy.model, prompts, chunk
        self._rows: list[int] = []
        self._prompt_of: dict[int, int] = {}
        self._kept: dict[int, Own | None] = {}  # of rows outside of the batch
        self._batch: SlottedBatch | None = None

    @property
    def rows(self) -> Sequence[int]:
        return self._rows

    def step(self, tokens: mx.array) -> mx.array:
        assert self._batch is not None
        return self._batch.run(self._model, tokens[:, None], 1)[:, -1]

    def leave(self, rows: Sequence[int], fed: Sequence[int]) -> None:
        batch = self._batch
        if not rows or batch is None:
            return
        own = batch.own()
        for row, count in zip(rows, fed, strict=True):
            place = self._rows.index(row)
            self._kept[row] = (
                [
                    (
                        mx.contiguous(keys[place : place + 1, :, :count]),
                        mx.contiguous(values[place : place + 1, :, :count]),
                    )
                    for keys, values in own
                ]
                if count
                else None
            )
        mx.eval([part for row in rows for pair in self._kept[row] or () for part in pair])
        places = [place for place, row in enumerate(self._rows) if row not in rows]
        used = batch.used[places]
        self._rows = [self._rows[place] for place in places]
        self._batch = self._made([_taken(layer, places) for layer in own], used) if places else None

    def join(self, rows: Sequence[Joining]) -> mx.array:
        for one in rows:
            self._prompt_of[one.row] = one.prompt
        fed = [one for one in rows if one.tokens]
        logits = {one.row: self._prompts[one.prompt].logits for one in rows if not one.tokens}
        own, used = self._fed(fed, logits)
        stay, begun = self._batch, list(self._rows)
        fresh = [one.row for one in rows if not one.tokens]
        self._rows = [*begun, *(one.row for one in fed), *fresh]
        parts = [part for part in (stay.own() if stay else None, own) if part]
        counts = np.concatenate([stay.used if stay else [], used, np.zeros(len(fresh))]).astype(np.int64)
        self._batch = self._made(_side_by_side(parts, len(fresh)), counts)
        return mx.concatenate([logits[row] for row in self._rows[len(begun) :]])

    def _fed(self, rows: Sequence[Joining], logits: dict[int, mx.array]) -> tuple[Own | None, np.ndarray]:
        """Feed rows their tokens, side by side; their own keys and values, how many tokens those are of, and logits."""
        if not rows:
            return None, np.zeros(0, np.int64)
        # the last tokens run by themselves: only of them logits are wanted
        kept = [self._kept.pop(one.row, None) for one in rows]
        used = np.array([0 if own is None else own[0][0].shape[2] for own in kept])
        longest = int(used.max())
        own = _stacked(kept, longest) if longest else None
        batch = self._made(own, used, [one.prompt for one in rows])
        for before in stretches_of([one.tokens[:-1] for one in rows], max(1, self._chunk // len(rows))):
            batch.run(self._model, mx.array(before.tokens), before.real)
            mx.eval(batch.state)
        last = mx.array([[one.tokens[-1]] for one in rows], dtype=mx.int32)
        found = batch.run(self._model, last, 1)[:, -1]
        mx.eval(found, batch.state)
        for place, one in enumerate(rows):
            logits[one.row] = found[place : place + 1]
        return batch.own(), batch.used

    def _made(self, own: Own | None, used: np.ndarray, prompts: Sequence[int] | None = None) -> SlottedBatch:
        chosen = [self._prompt_of[row] for row in self._rows] if prompts is None else prompts
        return SlottedBatch(self._prompts, np.array(chosen), own, used)

    def forget(self, row: int) -> None:
        self._kept.pop(row, None)
        self._prompt_of.pop(row, None)


def _taken(layer: tuple[mx.array, mx.array], places: Sequence[int]) -> tuple[mx.array, mx.array]:
    chosen = mx.array(np.asarray(places))
    return layer[0][chosen], layer[1][chosen]


def _stacked(kept: Sequence[Own | None], tokens: int) -> Own:
    """Rows' own parts side by side; zeros where a row has none yet."""
    like = next(own for own in kept if own is not None)
    none = [(mx.zeros_like(keys[:, :, :0]), mx.zeros_like(values[:, :, :0])) for keys, values in like]
    rows = [none if own is None else own for own in kept]
    return [
        (
            mx.concatenate([with_room(own[layer][0], own[layer][0], tokens) for own in rows]),
            mx.concatenate([with_room(own[layer][1], own[layer][1], tokens) for own in rows]),
        )
        for layer in range(len(like))
    ]


def _side_by_side(parts: Sequence[Own], fresh: int) -> Own | None:
    """Batches one behind the other, with `fresh` rows that have nothing yet at the end; None where there is nothing."""
    if not parts:
        return None
    room = max(part[0][0].shape[2] for part in parts)

    def both(layer: int, which: int) -> mx.array:
        arrays = [with_room(part[layer][which], part[layer][which], room) for part in parts]
        if fresh:
            arrays.append(mx.zeros((fresh, *arrays[0].shape[1:]), dtype=arrays[0].dtype))
        return mx.concatenate(arrays) if len(arrays) > 1 else arrays[0]

    return [(both(layer, 0), both(layer, 1)) for layer in range(len(parts[0]))]


def row_decoder(policy: Policy, prompts: Prompts, chunk: int) -> RowDecoder:
    """The best decoder that the model's caches allow."""
    kind = SharedRows if policy.architecture.decodes_shared else OwnRows
    return kind(policy, prompts, chunk)
