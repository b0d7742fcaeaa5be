"""Decoding a batch of rows token by token, on caches that begin with shared prompts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.models.cache import make_prompt_cache


class Prompt:
    """A prompt that has run once: its caches and the logits (1, V) of its next token."""

    def __init__(self, model: nn.Module, tokens: Sequence[int], chunk: int) -> None:
        self.length = len(tokens)
        self.caches: list[Any] = make_prompt_cache(model)
        ids = mx.array([list(tokens)], dtype=mx.int32)
        for start in range(0, self.length - 1, chunk):
            model(ids[:, start : min(start + chunk, self.length - 1)], cache=self.caches)
            mx.eval([cache.state for cache in self.caches])
        self.logits: mx.array = model(ids[:, -1:], cache=self.caches)[:, -1]
        mx.eval(self.logits, [cache.state for cache in self.caches])


class Decoder(Protocol):
    """Rows that are decoded together; `step` feeds one token per row and gives the next logits (n, V)."""

    def step(self, tokens: mx.array) -> mx.array: ...

    def keep(self, places: np.ndarray) -> None:
        """Go on with the rows at `places` only."""
        ...


class BatchDecoder:
    """mlx-lm's own batched caches, one copy of the prompt per row: right for every kind that can be merged."""

    def __init__(self, model: nn.Module, prompts: Sequence[Prompt], row_prompts: Sequence[int]) -> None:
        self._model = model
        layers = range(len(prompts[0].caches))
        self._caches = [
            type(prompts[0].caches[layer]).merge([prompts[index].caches[layer] for index in row_prompts])
            for layer in layers
        ]

    def step(self, tokens: mx.array) -> mx.array:
        return self._model(tokens[:, None], cache=self._caches)[:, -1]

    def keep(self, places: np.ndarray) -> None:
        indices = mx.array(places)
        for cache in self._caches:
            cache.filter(indices)


class RowDecoder:
    """One row after another, each on its own copy of the prompt's caches: for caches that cannot be merged."""

    def __init__(self, model: nn.Module, prompts: Sequence[Prompt], row_prompts: Sequence[int]) -> None:
        self._model = model
        self._rows = [copy.deepcopy(prompts[index].caches) for index in row_prompts]

    def step(self, tokens: mx.array) -> mx.array:
        outputs = [
            self._model(tokens[place : place + 1, None], cache=caches)[:, -1]
            for place, caches in enumerate(self._rows)
        ]
        return mx.concatenate(outputs)

    def keep(self, places: np.ndarray) -> None:
        self._rows = [self._rows[place] for place in places]


def make_decoder(model: nn.Module, prompts: Sequence[Prompt], row_prompts: Sequence[int]) -> Decoder:
    """The best decoder that these caches allow."""
    if all(hasattr(type(cache), "merge") for cache in prompts[0].caches):
        return BatchDecoder(model, prompts, row_prompts)
    return RowDecoder(model, prompts, row_prompts)
