"""mlx-lm's own caches for several rows: those of different prompts merged, or one prompt's repeated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import CacheList, make_prompt_cache

from droid_tune.model.arrays import close


def merged(prompts: Sequence[Sequence[Any]]) -> list[Any]:
    """One batched cache per layer for rows whose own caches these are, by mlx-lm's `merge`."""
    return [type(caches[0]).merge(list(caches)) for caches in zip(*prompts, strict=True)]


def repeated(caches: Sequence[Any], rows: int) -> list[Any]:
    """Copies of one prompt's caches with every array repeated for `rows` rows, which then go in step."""
    copies = [copy.copy(cache) for cache in caches]
    for cache in copies:
        _replace(cache, lambda array: mx.repeat(array, rows, axis=0))
    return copies


def copied(caches: Sequence[Any]) -> list[Any]:
    """Caches of their own for one row that continues a prompt, whose caches stay as they are."""
    copies = [copy.copy(cache) for cache in caches]
    for cache in copies:
        _replace(cache, mx.array)
    return copies


def keep_rows(caches: Sequence[Any], rows: mx.array) -> None:
    """Go on with some rows of `repeated` caches."""
    for cache in caches:
        _replace(cache, lambda array: array[rows])


def _replace(cache: Any, change: Callable[[mx.array], mx.array]) -> None:
    """`change` every array of a cache that has rows (they are at least three-dimensional)."""
    if isinstance(cache, CacheList):
        cache.caches = tuple(copy.copy(part) for part in cache.caches)
        for part in cache.caches:
            _replace(part, change)
        return
    for name, value in vars(cache).items():
        if isinstance(value, mx.array) and value.ndim >= 3:
            setattr(cache, name, change(value))
        elif isinstance(value, list):
            parts = [change(part) if isinstance(part, mx.array) else part for part in value]
            setattr(cache, name, parts)


def merges_exactly(model: nn.Module, tokens: mx.array) -> bool:
    """Whether prompts of two lengths can be decoded in one batch of mlx-lm's merged caches."""
    longer, shorter = int(tokens.shape[1]) - 1, int(tokens.shape[1]) // 2
    try:
        prompts = [make_prompt_cache(model), make_prompt_cache(model)]
        for caches, length in zip(prompts, (longer, shorter), strict=True):
            model(tokens[:, :length], cache=caches)
        latest = mx.concatenate([tokens[0, longer : longer + 1], tokens[0, shorter : shorter + 1]])
        found = model(latest[:, None], cache=merged(prompts))[:, 0]
        expected = model(tokens)[0]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
    return close(found, mx.stack([expected[longer], expected[shorter]]))
