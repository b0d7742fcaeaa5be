"""Reading prompts to their last tokens: nothing behind the last layer's keys and values is computed of the others.

The last layer's MLP is most of a small model's layer. It is told which tokens are asked for and answers for those alone; its
answer is added to all tokens of its row, of which only that one is looked at.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.arrays import close, layers_of
from droid_tune.model.caches.prefix import UnsharableCacheError, empty_caches, read_leaves


class _OfLast:
    """Stands where an MLP was and answers for one token of each row."""

    def __init__(self, mlp: Any, last: mx.array) -> None:
        self._mlp, self._last = mlp, last

    def __call__(self, inputs: mx.array) -> mx.array:
        asked = mx.take_along_axis(inputs, self._last[:, None, None], axis=1)
        return self._mlp(asked)


@contextmanager
def last_tokens_alone(model: nn.Module, last: mx.array) -> Generator[None]:
    """Inside, the model's hidden states are right at the places `last` (n,) of its rows alone."""
    layer: Any = layers_of(model)[-1]
    mlp = layer["mlp"]
    layer["mlp"] = _OfLast(mlp, last)
    try:
        yield
    finally:
        layer["mlp"] = mlp


def reads_last_tokens(model: nn.Module, body: Any, tokens: mx.array) -> bool:
    """Whether what `last_tokens_alone` leaves is what a whole pass gives: hidden states of those tokens, and all caches."""
    both = mx.concatenate([tokens, tokens[:, ::-1]])
    last = mx.array([tokens.shape[1] - 1, tokens.shape[1] // 2])
    try:
        whole, short = empty_caches(model), empty_caches(model)
        expected = body(both, cache=whole)[mx.arange(2), last]
        with last_tokens_alone(model, last):
            found = body(both, cache=short)[mx.arange(2), last]
        leaves = [
            [leaf for layer in read_leaves(caches) for leaf in layer if leaf is not None]
            for caches in (short, whole)
        ]
    except (UnsharableCacheError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
    return close(found, expected) and all(close(one, other) for one, other in zip(*leaves, strict=True))
