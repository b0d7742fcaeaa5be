"""Several rows in one sequence, so that little of it is padding; they do not see each other.

Attention is cut at the rows' borders by the mask. Positions run on over the borders, which rotary embeddings do not
notice, because they only know distances; a model that does notice (learned positions, running states) fails its proof
and is refused. Packing changes no number: it is a way to run rows, not another loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache

from droid_tune.errors import UserError
from droid_tune.model.arrays import close
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError
from droid_tune.model.checks.probe import body_of
from droid_tune.model.policy import Policy

#: what stands in `segments` where no row is
NOTHING = -1
#: positions up to which the proof looks: long enough that a position which matters shows
PROVED_LENGTH = 256


class SegmentCache(PrefixCache):
    """An empty cache whose mask lets each position see only earlier ones of its own row: `segments` (n, L)."""

    def __init__(self, window: int | None, segments: mx.array) -> None:
        super().__init__(window)
        self._segments = segments

    def make_mask(self, length: int, return_array: bool = False, window_size: int | None = None) -> Any:
        """Boolean (n, 1, L, L): causal, within the layer's window, within the row."""
        own = self._segments[:, None, :, None] == self._segments[:, None, None, :]
        return own & create_causal_mask(length, window_size=window_size or self.window)


def segment_caches(model: nn.Module, segments: mx.array) -> list[Any]:
    """One cache per layer for rows packed as `segments` says. Raises UnsharableCacheError where a layer has a state."""
    return [_cut(cache, segments) for cache in make_prompt_cache(model)]


def _cut(cache: Any, segments: mx.array) -> SegmentCache:
    if type(cache) is KVCache:
        return SegmentCache(None, segments)
    if type(cache) is RotatingKVCache and cache.keep == 0:
        return SegmentCache(cache.max_size, segments)
    raise UnsharableCacheError(type(cache).__name__)


def first_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Which rows share a sequence of `capacity` tokens: each goes, longest first, into the first that has room."""
    bins: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        place = next((at for at, free in enumerate(room) if free >= lengths[row]), len(bins))
        if place == len(bins):
            bins.append([])
            room.append(capacity)
        bins[place].append(row)
        room[place] -= lengths[row]
    return bins


def require_packing(policy: Policy) -> None:
    """Raise UserError where packed rows would not give the numbers of rows on their own."""
    reason = why_not(policy)
    if reason:
        raise UserError(
            f"This model ({policy.config.get('model_type', 'unknown')}) cannot pack rows: {reason}",
            place="method.packing",
            remedy="turn packing off; the result is the same",
        )


def why_not(policy: Policy) -> str:
    """Why packing is not right for a model, in words; "" where it is proved right on the loaded weights."""
    if not policy.architecture.splits_head:
        body: Callable[..., mx.array] = cast("Callable[..., mx.array]", policy.model)
    else:
        body = body_of(policy.model, policy.architecture)
    try:
        right = packs_exactly(policy.model, body)
    except UnsharableCacheError:
        return "its layers carry a state from one row into the next"
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        return f"its attention does not take the rows' borders ({type(error).__name__})"
    return "" if right else "its numbers depend on where in the sequence a row stands"


def packs_exactly(model: nn.Module, body: Callable[..., mx.array]) -> bool:
    """Whether the last rows of three differently packed sequences come out as they do on their own."""
    starts = (PROVED_LENGTH - 8, PROVED_LENGTH - 14, PROVED_LENGTH - 5)
    places = mx.arange(PROVED_LENGTH)[None]
    tokens = (places * mx.array([[3], [5], [7]]) + mx.array([[0], [1], [2]])) % 11 + 2
    segments = (places >= mx.array(starts)[:, None]).astype(mx.int32)
    packed = body(tokens, cache=segment_caches(model, segments))
    return all(
        close(packed[row : row + 1, start:], body(tokens[row : row + 1, start:], cache=None))
        for row, start in enumerate(starts)
    )
