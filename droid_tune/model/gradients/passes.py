"""The forward passes that training differentiates: a shared prompt with its completions, or whole rows.

Both give the hidden states (n, T, D) that predict the T completion tokens: token j is predicted by the state one
position before it, so the first is predicted by the prompt's last state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model.arrays import Indices
from droid_tune.model.caches.packing import NOTHING, first_fit, segment_caches
from droid_tune.model.caches.prefix import Leaves, caches_with, empty_caches, read_leaves
from droid_tune.model.checks.probe import Architecture, body_of, head_of
from droid_tune.model.gradients.head import Head
from droid_tune.model.gradients.scoring_rows import IntArray, ScoringRows, last_scored


class PromptPass:
    """The prompt's forward pass: its last hidden state (1, 1, D) and the cache leaves, as one flat list."""

    def __init__(self, model: nn.Module, architecture: Architecture, prompt: Sequence[int]) -> None:
        self._model = model
        self._body = body_of(model, architecture)
        self.tokens = mx.array([list(prompt)], dtype=mx.int32)
        self._layout: list[list[bool]] = []

    def __call__(self) -> list[mx.array]:
        caches = empty_caches(self._model)
        hidden = self._body(self.tokens, cache=caches)
        leaves = read_leaves(caches)
        self.remember(leaves)
        return [hidden[:, -1:], *(leaf for layer in leaves for leaf in layer if leaf is not None)]

    def completions(self, flat: Sequence[mx.array], tokens: mx.array) -> mx.array:
        """Hidden states (n, T, D) that predict `tokens` (n, T) after the prompt whose results are `flat`."""
        rows, length = tokens.shape
        first = mx.broadcast_to(flat[0], (rows, 1, flat[0].shape[-1]))
        if length == 1:
            return first
        caches = caches_with(self._model, self.unflat(flat[1:]), rows)
        rest = self._body(tokens[:, :-1], cache=caches)
        return mx.concatenate([first, rest], axis=1)

    def remember(self, leaves: Leaves) -> None:
        """Where the leaves of this model are present: what `unflat` needs."""
        self._layout = [[leaf is not None for leaf in layer] for layer in leaves]

    def unflat(self, flat: Sequence[mx.array]) -> Leaves:
        """The leaves (without the hidden state before them), layer by layer."""
        remaining = iter(flat)
        return [[next(remaining) if present else None for present in layer] for layer in self._layout]


@dataclass(frozen=True)
class WholeRows:
    """Rows of any prompts, prompt and completion together, right-padded to a length that the longest fits in.

    Their last tokens are targets only: nothing is predicted from them, so they are not read.
    """

    row_index: Indices
    tokens: mx.array  # (n, L)
    #: flat positions (M,) of the predicting states in (n, L), row by row
    states: Indices
    #: flat positions (M,) of the scored tokens in the source's (rows, T)
    scored: Indices
    targets: IntArray
    #: which row each position belongs to (n, L), where several share a sequence
    segments: mx.array | None = None

    def hidden(self, model: nn.Module, architecture: Architecture) -> mx.array:
        """States (M, D), or logits (M, V) where the head cannot be taken apart."""
        body = body_of(model, architecture) if architecture.splits_head else model
        run = cast("Callable[..., mx.array]", body)
        whole = run(self.tokens, cache=self.caches(model))
        return mx.take(whole.reshape(-1, whole.shape[-1]), mx.array(self.states), axis=0)

    def caches(self, model: nn.Module) -> list[Any] | None:
        """What keeps packed rows apart; None where each sequence is one row."""
        return None if self.segments is None else segment_caches(model, self.segments)


def whole_rows(rows: ScoringRows, per_batch: int, *, pack: bool = False) -> Iterator[WholeRows]:
    """`rows` in batches of `per_batch` sequences, longest first; of shorter ones as many as fit in the same tokens.

    With `pack` short rows share a sequence, never longer than the longest row on its own (or what must run together): the
    same numbers, the same memory per batch, fewer batches.
    """
    lengths, ends = read_lengths(rows)
    units = _units(rows.together, lengths, ends)
    if not units:
        return
    longest = bucketed(max(int(lengths[unit].max()) for unit in units))
    if pack:
        whole = [int(lengths[unit].sum()) for unit in units]
        room = bucketed(max(whole))
        sequences = [np.concatenate([units[at] for at in members]) for members in first_fit(whole, room)]
        groups = [([one], room) for one in sequences]
    else:
        groups = [
            ([unit[at : at + 1] for at in range(len(unit))], bucketed(int(lengths[unit].max())))
            for unit in units
        ]
    for part in _batches([width * len(lines) for lines, width in groups], per_batch * longest):
        yield _assembled(
            rows, [line for lines, _ in groups[part] for line in lines], lengths, ends, pack=pack
        )


def _units(together: int, lengths: Indices, ends: Indices) -> list[Indices]:
    """Row numbers of what runs together, the longest first; without what scores nothing."""
    units = np.arange(len(lengths)).reshape(-1, together)
    units = units[(ends[units] > 0).all(axis=1)]
    order = np.argsort(-lengths[units].max(axis=1), kind="stable")
    return list(units[order])


def read_lengths(rows: ScoringRows) -> tuple[Indices, Indices]:
    """How many tokens of each row are read, and how many of its completion count: up to the last scored one."""
    prompts = np.array([len(rows.prompts[index]) for index in rows.prompt_index])
    ends = last_scored(rows.completion_mask)
    return prompts + ends - 1, ends


def _batches(widths: Sequence[int], tokens: int) -> Iterator[slice]:
    """Units of these widths (all their lines together), widest first, cut into batches of at most `tokens` with padding."""
    start = 0
    while start < len(widths):
        stop = start + max(1, tokens // widths[start])
        yield slice(start, stop)
        start = stop


def _assembled(
    rows: ScoringRows, sequences: Sequence[Indices], lengths: Indices, ends: Indices, *, pack: bool
) -> WholeRows:
    """One batch from the row numbers of each sequence; `lengths` and `ends` are those of every row."""
    width = bucketed(max(int(lengths[sequence].sum()) for sequence in sequences))
    chosen = np.concatenate(sequences)
    tokens = np.zeros((len(sequences), width), np.int32)
    segments = np.full((len(sequences), width), NOTHING, np.int32)
    states: list[Indices] = []
    scored: list[Indices] = []
    for line, sequence in enumerate(sequences):
        start = 0
        for row in sequence.tolist():
            place, prompt = len(states), rows.prompts[int(rows.prompt_index[row])]
            answer, stop = start + len(prompt), start + int(lengths[row])
            tokens[line, start:answer] = prompt
            tokens[line, answer:stop] = rows.tokens[row, : ends[row] - 1]
            segments[line, start:stop] = place
            columns = np.flatnonzero(rows.completion_mask[row] > 0)
            states.append(line * width + answer + columns - 1)
            scored.append(place * rows.length + columns)
            start = stop
    flat = np.concatenate(scored)
    return WholeRows(
        chosen,
        mx.array(tokens),
        np.concatenate(states),
        flat,
        rows.tokens[chosen].reshape(-1)[flat],
        mx.array(segments) if pack else None,
    )


def head_for(model: nn.Module, architecture: Architecture) -> Head:
    """Hidden states to logits; nothing to do where the body gives logits already."""
    return head_of(model, architecture.body_path) if architecture.body_path else lambda logits: logits
