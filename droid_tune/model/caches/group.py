"""The caches of a decoding batch whose rows share prompts: S slots of R rows (see shared_attention.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn

from droid_tune.estimate.memory import COMPLETION_BLOCK
from droid_tune.model.arrays import close
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError, empty_caches
from droid_tune.model.kernels.few_bits import Held, arrays_of, changed, in_bits, write
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.kernels.shared_attention import Shared, in_slots


class GroupCache:
    """One layer's keys and values while S slots of R rows are decoded together, all rows equally far.

    The rows' own part grows by blocks up to the `most` tokens that a row may have; `lengths` (S,) are the prompts', which
    differ from slot to slot. With `bits` all of it is kept in so many.
    """

    def __init__(
        self,
        keys: mx.array,
        values: mx.array,
        layout: SlotLayout,
        window: int | None,
        bits: int = 0,
        most: int | None = None,
    ) -> None:
        self.prefix_keys, self.prefix_values = in_bits(keys, bits), in_bits(values, bits)
        self.keys: Held | None = None
        self.values: Held | None = None
        self._bits, self._most = bits, most
        self.layout = layout
        self.window = window
        self.used = 0

    @property
    def offset(self) -> int | mx.array:
        """The position of the next token: one number, or one per row (n,) where prompts differ in length."""
        return self.layout.start + self.used

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[Shared, None]:
        """Append one token per row."""
        new_keys, new_values = (
            in_bits(in_slots(new, self.layout.slots), self._bits) for new in (keys, values)
        )
        if self.keys is None or self.values is None or self.used == self.keys.shape[3]:
            self.keys = _grown(self.keys, new_keys, self._room(self.used + 1) - self.used)
            self.values = _grown(self.values, new_values, self._room(self.used + 1) - self.used)
        end = self.used + 1
        write(self.keys, (..., slice(self.used, end), slice(None)), new_keys)
        write(self.values, (..., slice(self.used, end), slice(None)), new_values)
        self.used = end
        prefix_mask, own_mask = self.layout.masks(end, self.window)
        shared = Shared(
            self.prefix_keys,
            self.prefix_values,
            self.keys[..., :end, :],
            self.values[..., :end, :],
            prefix_mask,
            own_mask,
        )
        return shared, None

    def _room(self, tokens: int) -> int:
        """Own tokens that there is room for where a row has so many."""
        room = -(-tokens // COMPLETION_BLOCK) * COMPLETION_BLOCK
        return room if self._most is None else max(tokens, min(room, self._most))

    def make_mask(self, *_: Any, **__: Any) -> None:
        """The masks travel with the keys."""

    def keep(self, layout: SlotLayout, slots: mx.array, rows: mx.array) -> None:
        """Go on in `layout`: its slot i continues old slot `slots[i]`; its rows (S', R') are old flat rows."""
        if layout.slots != self.layout.slots or slots.tolist() != list(range(layout.slots)):

            def chosen(prefix: mx.array) -> mx.array:
                return mx.contiguous(prefix[slots, :, : layout.longest])

            self.prefix_keys = changed(self.prefix_keys, chosen)
            self.prefix_values = changed(self.prefix_values, chosen)

        def rearranged(own: mx.array) -> mx.array:
            return _rearranged(own[..., : self.used, :], rows, self._room(self.used) - self.used)

        if self.keys is not None and self.values is not None:
            self.keys, self.values = changed(self.keys, rearranged), changed(self.values, rearranged)
        self.layout = layout

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate: the prompt's, then the completions' once there are any."""
        held = (self.prefix_keys, self.prefix_values, self.keys, self.values)
        return [array for one in held if one is not None for array in arrays_of(one)]


class SlotLayout:
    """Which prompt each slot continues: S slots of R rows, prompts of `lengths` (S,), padded on the right."""

    def __init__(self, lengths: Sequence[int], rows: int) -> None:
        self.lengths, self.slots, self.rows = list(lengths), len(lengths), rows
        self.longest = max(self.lengths)
        self.ragged = min(self.lengths) < self.longest
        self.start: int | mx.array = self.longest
        if self.ragged:
            self.start = mx.repeat(mx.array(self.lengths), rows)
        self._masks: dict[tuple[int, int | None], tuple[mx.array | None, mx.array | None]] = {}

    def masks(self, used: int, window: int | None) -> tuple[mx.array | None, mx.array | None]:
        """What a row's newest token (its `used`-th own one) sees of the prompt and of its own tokens."""
        if (used, window) not in self._masks:
            self._masks = {key: mask for key, mask in self._masks.items() if key[0] == used}
            self._masks[used, window] = self._made(used, window)
        return self._masks[used, window]

    def _made(self, used: int, window: int | None) -> tuple[mx.array | None, mx.array | None]:
        lengths = mx.array(self.lengths)[:, None]
        place = mx.arange(self.longest)[None]
        visible: mx.array | None = place < lengths if self.ragged else None
        own = None
        if window is not None and self.longest + used > window:
            near = place > lengths + used - 1 - window
            visible = near if visible is None else visible & near
            own = mx.arange(used) > used - 1 - window if used > window else None
        return None if visible is None else visible[:, None, None, None, None, :], own


def _grown(own: Held | None, like: Held, tokens: int) -> Held:
    def room(array: mx.array) -> mx.array:
        return mx.zeros((*array.shape[:3], tokens, array.shape[4]), dtype=array.dtype)

    if own is None:
        return changed(like, room)
    return changed(own, lambda array: mx.concatenate([array, room(array)], axis=3))


def _rearranged(own: mx.array, rows: mx.array, room: int) -> mx.array:
    """(S, H, R, t, D) with its flat rows chosen and laid out anew as `rows` (S', R'), with room for further tokens."""
    slots, heads, per_slot, used, width = own.shape
    flat = own.transpose(0, 2, 1, 3, 4).reshape(slots * per_slot, heads, used, width)
    chosen = flat[rows].transpose(0, 2, 1, 3, 4)
    return mx.pad(chosen, [(0, 0), (0, 0), (0, 0), (0, room), (0, 0)])


def group_caches(
    prompts: Iterable[tuple[mx.array, mx.array]],
    windows: Sequence[int | None],
    layout: SlotLayout,
    bits: int = 0,
    most: int | None = None,
) -> list[GroupCache]:
    """One cache per layer for slots that continue `prompts`: of each layer keys and values (S, H, longest, D). `bits` are those
    of what is kept (0: as it is), `most` the tokens that a row adds at most, where that is known."""
    made: list[GroupCache] = []
    for (keys, values), window in zip(prompts, windows, strict=True):
        made.append(GroupCache(keys, values, layout, window, bits, most))
        mx.eval(made[-1].state)
    return made


def of_prompts(caches: Sequence[Sequence[Any]], layout: SlotLayout) -> list[GroupCache]:
    """`group_caches` of prompts that each have prefix caches of their own, a slot each."""
    layers = [[prompt[layer] for prompt in caches] for layer in range(len(caches[0]))]
    read = (
        tuple(
            mx.concatenate([padded_prompt(getattr(one, part), layout.longest) for one in layer])
            for part in ("keys", "values")
        )
        for layer in layers
    )
    return group_caches(cast("Any", read), [layer[0].window for layer in layers], layout)


def padded_prompt(array: mx.array, length: int) -> mx.array:
    """Keys or values of prompts (n, H, L, D) with zeros behind them up to `length` tokens."""
    if array.shape[2] == length:
        return array
    return mx.pad(array, [(0, 0), (0, 0), (0, length - array.shape[2]), (0, 0)])


def decodes_on_shared_prompts(model: nn.Module, tokens: mx.array) -> bool:
    """Whether decoding on shared prompts gives what a full forward pass gives, for prompts of two lengths."""
    longer, shorter, steps = int(tokens.shape[1]) - 2, int(tokens.shape[1]) // 2, 2
    try:
        prompts = [empty_caches(model), empty_caches(model)]
        for caches, length in zip(prompts, (longer, shorter), strict=True):
            if not all(isinstance(cache, PrefixCache) for cache in caches):
                return False
            model(tokens[:, :length], cache=caches)
        decoding = of_prompts(prompts, SlotLayout([longer, shorter], 2))
        found: list[mx.array] = []
        starts = (longer, longer, shorter, shorter)
        with own_kernels():
            for step in range(steps):
                latest = mx.concatenate([tokens[0, place + step : place + step + 1] for place in starts])
                found.append(model(latest[:, None], cache=decoding)[:, 0])
    except (UnsharableCacheError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
    expected = model(tokens)[0]
    return all(
        close(found[step][row], expected[length + step])
        for step in range(steps)
        for row, length in ((0, longer), (1, longer), (3, shorter))
    )
