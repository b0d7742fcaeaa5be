"""The caches of rows that share prompts and have come differently far: S slots of R rows (see shared_attention.py).

As in group.py a prompt's keys and values exist once; the rows' own part is one array with room for the longest, and each
row writes behind its own last token. Positions that a row has not reached are hidden by the mask, so what stands there
(padding of a prefill, tokens that were run ahead and taken back) has no influence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from droid_tune.model.caches.group import padded_prompt
from droid_tune.model.kernels.shared_attention import Shared, in_slots

#: the rows' own part grows by so many tokens
BLOCK = 64


class RaggedLayout:
    """Which prompt each slot continues, and how many tokens of its own each row has (`used` (S * R,))."""

    def __init__(self, lengths: Sequence[int], rows: int, used: npt.NDArray[np.int64]) -> None:
        self.slots, self.rows = len(lengths), rows
        self._lengths = np.asarray(lengths, np.int64)
        self.longest = int(self._lengths.max())
        self.used = used.copy()
        self.begin(1)

    def begin(self, tokens: int) -> None:
        """Before a call of the model with so many tokens of each row."""
        places = self.used[:, None] + np.arange(tokens)
        #: (S * R, tokens): where in the rows' own part the tokens come to stand, and behind how much of everything
        self.places = mx.array(places)
        self.offset = mx.array(np.repeat(self._lengths, self.rows) + self.used)
        self.end = int(places.max()) + 1
        self._last = places.reshape(self.slots, self.rows, tokens)
        self._masks: dict[int | None, tuple[mx.array | None, mx.array]] = {}

    def advance(self, counts: npt.NDArray[np.int64] | int) -> None:
        """After it: so many of them were real."""
        self.used += counts

    def masks(self, window: int | None) -> tuple[mx.array | None, mx.array]:
        """What the new tokens see of the prompt, (S, 1, R, 1, T, L) or None for all of it, and of their rows' own part."""
        if window not in self._masks:
            self._masks[window] = self._made(window)
        return self._masks[window]

    def _made(self, window: int | None) -> tuple[mx.array | None, mx.array]:
        last = self._last[:, None, :, None, :, None]  # (S, 1, R, 1, T, 1)
        lengths = self._lengths[:, None, None, None, None, None]
        place, own = np.arange(self.longest), np.arange(self.end)
        seen, near = np.less(place, lengths), np.less_equal(own, last)
        if window is not None:
            seen = seen & (place > lengths + last - window)
            near = near & (own > last - window)
        return None if seen.all() else _truths(seen), _truths(near)


def _truths(values: npt.NDArray[np.bool_]) -> mx.array:
    return mx.array(values.astype(np.uint8)).astype(mx.bool_)


class RaggedCache:
    """One layer's keys and values; `own` are those of the rows (S * R, H, capacity, D), None before their first token."""

    def __init__(
        self,
        prefix: SlotPrompts,
        layout: RaggedLayout,
        own: tuple[mx.array, mx.array] | None,
    ) -> None:
        self.prefix, self.layout, self.own = prefix, layout, own

    @property
    def offset(self) -> mx.array:
        """The position of each row's next token (S * R,)."""
        return self.layout.offset

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[Shared, None]:
        """Write T new tokens of each row behind its own last one."""
        layout = self.layout
        own_keys = _written(None if self.own is None else self.own[0], keys, layout)
        own_values = _written(None if self.own is None else self.own[1], values, layout)
        self.own = own_keys, own_values
        prefix_mask, own_mask = layout.masks(self.prefix.window)
        shared = Shared(
            self.prefix.keys,
            self.prefix.values,
            in_slots(own_keys[:, :, : layout.end], layout.slots),
            in_slots(own_values[:, :, : layout.end], layout.slots),
            prefix_mask,
            own_mask,
        )
        return shared, None

    def make_mask(self, *_: Any, **__: Any) -> None:
        """The masks travel with the keys."""

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate: the rows' own."""
        return list(self.own or ())


def _written(own: mx.array | None, new: mx.array, layout: RaggedLayout) -> mx.array:
    """`own` with the new tokens (n, H, T, D) at the rows' places, grown to whole blocks where they need room."""
    own = with_room(own, new, layout.end)
    places = mx.broadcast_to(layout.places[:, None, :, None], new.shape)
    return mx.put_along_axis(own, places, new, axis=2)


def with_room(own: mx.array | None, like: mx.array, tokens: int) -> mx.array:
    """The rows' own part with room for so many tokens, in whole blocks; zeros where nothing was yet."""
    room = -(-tokens // BLOCK) * BLOCK
    if own is None:
        return mx.zeros((like.shape[0], like.shape[1], room, like.shape[3]), dtype=like.dtype)
    spare = room - own.shape[2]
    return mx.pad(own, [(0, 0), (0, 0), (0, spare), (0, 0)]) if spare > 0 else own


class SlotPrompts(NamedTuple):
    """One layer's keys and values of the slots' prompts (S, H, L, D), zeros behind shorter ones, and its window."""

    keys: mx.array
    values: mx.array
    window: int | None


def slot_prompts(caches: Sequence[Sequence[Any]]) -> list[SlotPrompts]:
    """Prefix caches of the slots' prompts (S of them, by layer) side by side."""
    longest = max(own[0].offset for own in caches)
    made = [
        SlotPrompts(
            mx.concatenate([padded_prompt(own[layer].keys, longest) for own in caches]),
            mx.concatenate([padded_prompt(own[layer].values, longest) for own in caches]),
            caches[0][layer].window,
        )
        for layer in range(len(caches[0]))
    ]
    mx.eval([array for layer in made for array in (layer.keys, layer.values)])
    return made
