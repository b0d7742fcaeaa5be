"""A prompt's caches as plain arrays: computed once, shared by every completion of its group, differentiable.

mlx-lm's caches are made for decoding: they write in place and rotate. Here a layer's cache is (a) filled by one forward
pass over the prompt, (b) read out as arrays, the *leaves*, and (c) broadcast to the rows of a group, so that the
completions run on their own and gradients reach the prompt through the leaves. Sliding windows keep the whole prompt
and mask it, which gives the same numbers as a rotating cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache, make_prompt_cache

from droid_tune.model.arrays import close
from droid_tune.model.kernels.in_force import in_force
from droid_tune.model.kernels.shared_attention import Shared, in_slots

#: the arrays of one layer's cache: [keys, values], or the states of a recurrent layer
Leaves = list[list[mx.array | None]]


class UnsharableCacheError(Exception):
    """This model keeps a cache that cannot be shared by a group."""


class PrefixCache:
    """Keys and values of a shared prompt (1, H, L, D), extended by each row's own; nothing is written in place."""

    def __init__(
        self, window: int | None, keys: mx.array | None = None, values: mx.array | None = None
    ) -> None:
        self.window = window
        self.keys = keys
        self.values = values
        self.offset = 0 if keys is None else int(keys.shape[2])
        #: what the rows added last
        self.own: list[mx.array | None] = [None, None]

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[Any, Any]:
        """The prefix and the rows' own keys and values: apart where attention can join them, else as one array with
        the prefix repeated for every row."""
        self.own = [keys, values]
        if self.keys is not None and self.values is not None:
            if in_force().shares_prompts and self._all_visible(keys.shape[2]):
                return self._apart(self.keys, self.values, keys, values), None
            keys = mx.concatenate([_repeated(self.keys, keys.shape[0]), keys], axis=2)
            values = mx.concatenate([_repeated(self.values, values.shape[0]), values], axis=2)
        self.keys, self.values = keys, values
        self.offset = int(keys.shape[2])
        return keys, values

    def _all_visible(self, length: int) -> bool:
        return self.window is None or self.offset + length <= self.window

    def _apart(
        self, prefix_keys: mx.array, prefix_values: mx.array, keys: mx.array, values: mx.array
    ) -> Shared:
        """One slot of all rows after the prompt, causal among themselves; the prefix stays as it is."""
        slots, length = int(prefix_keys.shape[0]), int(keys.shape[2])
        causal = "causal" if length > 1 else None
        own_keys, own_values = in_slots(keys, slots), in_slots(values, slots)
        return Shared(prefix_keys, prefix_values, own_keys, own_values, None, causal)

    def make_mask(self, length: int, return_array: bool = False, window_size: int | None = None) -> Any:
        """Causal from the offset on; banded where the layer's window is shorter than the sequence."""
        window = window_size or self.window
        if window is not None and self.offset + length > window:
            return create_causal_mask(length, self.offset, window_size=window)
        if length == 1:
            return None
        return create_causal_mask(length, self.offset) if return_array else "causal"

    @property
    def state(self) -> tuple[mx.array | None, mx.array | None]:
        """Keys and values (1, heads, tokens, width), None before the first call: mlx-lm's interface."""
        return self.keys, self.values

    def of_row(self, row: int, length: int) -> PrefixCache:
        """The cache of one of several prompts that ran together, padded behind their ends."""
        assert self.keys is not None
        assert self.values is not None
        span = slice(row, row + 1)
        return PrefixCache(self.window, self.keys[span, :, :length], self.values[span, :, :length])

    def size(self) -> int:
        """Tokens held."""
        return self.offset

    def empty(self) -> bool:
        """Whether nothing is held yet."""
        return self.keys is None

    def is_trimmable(self) -> bool:
        return False


def empty_caches(model: nn.Module) -> list[Any]:
    """One differentiable cache per layer of `model`, in place of the model's own kinds."""
    return [_emptied(cache) for cache in make_prompt_cache(model)]


def _emptied(cache: Any) -> Any:
    if type(cache) is KVCache:
        return PrefixCache(None)
    if type(cache) is RotatingKVCache and cache.keep == 0:
        return PrefixCache(cache.max_size)
    if type(cache) is ArraysCache:
        return ArraysCache(len(cache.cache))
    if type(cache) is CacheList:
        return CacheList(*(_emptied(part) for part in cache.caches))
    raise UnsharableCacheError(type(cache).__name__)


def read_leaves(caches: Sequence[Any]) -> Leaves:
    """The arrays in `caches`, layer by layer."""
    return [_leaves(cache) for cache in caches]


def _leaves(cache: Any, *, own: bool = False) -> list[mx.array | None]:
    if isinstance(cache, PrefixCache):
        return cache.own if own else [cache.keys, cache.values]
    if isinstance(cache, CacheList):
        return [leaf for part in cache.caches for leaf in _leaves(part, own=own)]
    return list(cache.cache)


def own_leaves(caches: Sequence[Any]) -> Leaves:
    """What one pass left in `caches`, layer by layer: the keys and values of its own tokens, and states as they are now."""
    return [_leaves(cache, own=True) for cache in caches]


def flat_leaves(leaves: Leaves) -> list[mx.array]:
    """Those that are there, one after the other."""
    return [leaf for layer in leaves for leaf in layer if leaf is not None]


def growing_leaves(model: nn.Module) -> list[list[bool]]:
    """Layer by layer which leaves grow along their tokens (axis 2); the others are states."""
    return [_growing(cache) for cache in empty_caches(model)]


def _growing(cache: Any) -> list[bool]:
    if isinstance(cache, CacheList):
        return [grows for part in cache.caches for grows in _growing(part)]
    return [True, True] if isinstance(cache, PrefixCache) else [False] * len(cache.cache)


def caches_with(model: nn.Module, leaves: Leaves, rows: int) -> list[Any]:
    """Caches for `rows` completions that all begin with the prompt whose leaves these are."""
    return [_filled(cache, list(own), rows) for cache, own in zip(empty_caches(model), leaves, strict=True)]


def _filled(cache: Any, own: list[mx.array | None], rows: int) -> Any:
    if isinstance(cache, PrefixCache):
        return PrefixCache(cache.window, own.pop(0), own.pop(0))
    if isinstance(cache, CacheList):
        return CacheList(*(_filled(part, own, rows) for part in cache.caches))
    for index in range(len(cache.cache)):
        leaf = own.pop(0)
        cache[index] = None if leaf is None else _repeated(leaf, rows)
    return cache


def _repeated(leaf: mx.array, rows: int) -> mx.array:
    """One prompt's array (1, ...) for every row; an array that has its rows already stays."""
    return leaf if leaf.shape[0] == rows else mx.broadcast_to(leaf, (rows, *leaf.shape[1:]))


def shares_prompt_exactly(
    model: nn.Module, body: Callable[..., mx.array], tokens: mx.array
) -> tuple[bool, str]:
    """Whether prompt and completion apart give what one forward pass gives; else the reason, in words."""
    cut = tokens.shape[1] // 2
    try:
        caches = empty_caches(model)
        first = body(tokens[:, :cut], cache=caches)
        rest = mx.repeat(tokens[:, cut:], 2, axis=0)
        second = body(rest, cache=caches_with(model, read_leaves(caches), 2))
    except UnsharableCacheError as error:
        return False, f"its {error} cannot be shared by a group"
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        return False, f"its caches do not take a shared prompt ({type(error).__name__})"
    expected = body(tokens, cache=None)
    if close(mx.concatenate([first, second[1:]], axis=1), expected):
        return True, ""
    return False, "a shared prompt changes its numbers"
