"""The forward passes that training differentiates: a shared prompt with its completions, or whole rows.

Both give the hidden states (n, T, D) that predict the T completion tokens: token j is predicted by the state one
position before it, so the first is predicted by the prompt's last state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.model.architecture import Architecture, body_of, head_of
from droid_tune.model.head import Head
from droid_tune.model.prefix import Leaves, caches_with, empty_caches, read_leaves
from droid_tune.model.rows import ScoringRows


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
    """Rows of any prompts, prompt and completion together, right-padded to the longest."""

    row_index: np.ndarray
    tokens: mx.array  # (n, L)
    #: flat positions (M,) of the predicting states in (n, L), row by row
    states: np.ndarray
    #: flat positions (M,) of the scored tokens in the source's (n, T)
    scored: np.ndarray
    targets: np.ndarray

    def hidden(self, model: nn.Module, architecture: Architecture) -> mx.array:
        """States (M, D), or logits (M, V) where the head cannot be taken apart."""
        whole = body_of(model, architecture)(self.tokens) if architecture.splits_head else model(self.tokens)
        return whole.reshape(-1, whole.shape[-1])[mx.array(self.states)]  # pyright: ignore[reportCallIssue, reportArgumentType]


def whole_rows(rows: ScoringRows, per_batch: int) -> Iterator[WholeRows]:
    """`rows` in batches of similar total length, longest first."""
    prompt_lengths = np.array([len(rows.prompts[index]) for index in rows.prompt_index])
    scored = rows.completion_mask > 0
    ends = (rows.length - np.argmax(scored[:, ::-1], axis=1)) * scored.any(axis=1)
    order = np.argsort(-(prompt_lengths + ends), kind="stable")
    order = order[ends[order] > 0]
    for start in range(0, len(order), per_batch):
        chosen = order[start : start + per_batch]
        yield _assembled(rows, chosen, prompt_lengths[chosen], ends[chosen])


def _assembled(rows: ScoringRows, chosen: np.ndarray, prompts: np.ndarray, ends: np.ndarray) -> WholeRows:
    width = int((prompts + ends).max())
    tokens = np.zeros((len(chosen), width), np.int32)
    for place, (row, prompt, end) in enumerate(zip(chosen, prompts, ends, strict=True)):
        tokens[place, :prompt] = rows.prompts[rows.prompt_index[row]]
        tokens[place, prompt : prompt + end] = rows.tokens[row, :end]
    place, column = np.nonzero(rows.completion_mask[chosen] > 0)
    return WholeRows(
        chosen,
        mx.array(tokens),
        place * width + prompts[place] + column - 1,
        place * rows.length + column,
        rows.tokens[chosen][place, column],
    )


def head_for(model: nn.Module, architecture: Architecture) -> Head:
    """Hidden states to logits; nothing to do where the body gives logits already."""
    return head_of(model, architecture.body_path) if architecture.body_path else lambda logits: logits
