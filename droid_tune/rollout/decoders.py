"""Decoding a batch of rows token by token, on caches that begin with shared prompts.

The caller puts the kernels in force (`own_kernels`): shared prompts need an attention that knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.estimate.memory import MOST_COPIED
from droid_tune.model.caches.group import GroupCache, SlotLayout, group_caches
from droid_tune.model.caches.repeated import keep_rows, merged, repeated
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.kernels.joined_body import JoinedBody, joined_body
from droid_tune.model.kernels.shared_attention import attend
from droid_tune.model.policy import Policy
from droid_tune.rollout.joined_decoder import JoinedDecoder
from droid_tune.rollout.prefilled import PrefilledPrompt, keys_and_values
from droid_tune.rollout.slots import Slots


class Decoder(Protocol):
    """Rows that are decoded together; `step` feeds one token per row and gives the next logits (n, V)."""

    def step(self, tokens: mx.array) -> mx.array: ...

    def keep(self, places: np.ndarray) -> None:
        """Go on with the rows at `places` only."""
        ...


class GroupDecoder:
    """Prompts stay shared: every slot of rows reads one copy of its prompt (see model/kernels/shared_attention.py)."""

    def __init__(
        self,
        model: nn.Module,
        prompts: Sequence[PrefilledPrompt],
        row_prompts: Sequence[int],
        cache_bits: int = 0,
        most_tokens: int | None = None,
    ) -> None:
        self._model = model
        self._lengths = [prompt.length for prompt in prompts]
        self._arrange(np.asarray(row_prompts))
        chosen = [prompts[prompt] for prompt in self._slots.prompts]
        windows = [cache.window for cache in prompts[0].read]
        read = keys_and_values(chosen, self._layout.longest)
        self._caches = group_caches(read, windows, self._layout, cache_bits, most_tokens)

    def _arrange(self, row_prompts: np.ndarray) -> None:
        self._row_prompts = row_prompts
        self._slots = Slots(row_prompts, self._lengths)
        self._layout = SlotLayout([self._lengths[prompt] for prompt in self._slots.prompts], self._slots.size)

    def step(self, tokens: mx.array) -> mx.array:
        """Logits (n, V) after one further token of each row (n,)."""
        slots = self._slots
        if not slots.in_order:
            tokens = tokens[slots.inward]
        logits = self._made(tokens)
        return logits if slots.in_order else logits[slots.outward]

    def _made(self, tokens: mx.array) -> mx.array:
        """The same of rows as they sit in their slots."""
        return self._model(tokens[:, None], cache=self._caches)[:, -1]

    def keep(self, places: np.ndarray) -> None:
        """Goes on with the rows at `places` only; prompts without a row are dropped."""
        before, old_slots = self._slots.outward.tolist(), self._slots.prompts
        self._arrange(self._row_prompts[places])
        rows = mx.array(np.array(before)[places][self._slots.members])
        slots = mx.array([old_slots.index(prompt) for prompt in self._slots.prompts])
        for cache in self._caches:  # one layer after the other: what it was exists twice meanwhile
            cache.keep(self._layout, slots, rows)
            mx.eval(cache.state)


class JoinedGroupDecoder(GroupDecoder):
    """The same by few operations a token (see model/kernels/joined_body.py); a row adds `most` tokens at most."""

    def __init__(
        self,
        body: JoinedBody,
        model: nn.Module,
        head: Callable[[mx.array], mx.array],
        prompts: Sequence[PrefilledPrompt],
        row_prompts: Sequence[int],
        most: int,
    ) -> None:
        super().__init__(model, prompts, row_prompts, most_tokens=most)
        self._body, self._head = body, head
        self._angles = body.angles(max(self._lengths) + most)
        self._told = [_SlotCache(cache) for cache in self._caches]

    def _made(self, tokens: mx.array) -> mx.array:
        offset = self._caches[0].offset
        places = offset if isinstance(offset, mx.array) else mx.array([offset])
        return self._head(self._body(tokens, self._angles[places], self._told, None))


class _SlotCache:
    """A layer's cache of rows in slots, as the body of few operations asks it."""

    def __init__(self, cache: GroupCache) -> None:
        self._cache = cache

    def told(self, turned: mx.array, heads: int, hidden_keys: mx.array | None) -> mx.array:
        """See `TokenCache`."""
        new = turned[:, heads:, None]
        keys = new.shape[1] // 2
        shared, _ = self._cache.update_and_fetch(new[:, :keys], new[:, keys:])
        return attend(turned[:, :heads, None], shared, 1.0, training=False).reshape(turned.shape[0], -1)


class BatchDecoder:
    """mlx-lm's own batched caches, one copy of the prompt per row."""

    def __init__(
        self, model: nn.Module, prompts: Sequence[PrefilledPrompt], row_prompts: Sequence[int]
    ) -> None:
        self._model = model
        self._caches = merged([prompts[index].caches for index in row_prompts])

    def step(self, tokens: mx.array) -> mx.array:
        """Logits (n, V) after one further token of each row (n,)."""
        return self._model(tokens[:, None], cache=self._caches)[:, -1]

    def keep(self, places: np.ndarray) -> None:
        """Goes on with the rows at `places` only."""
        indices = mx.array(places)
        for cache in self._caches:
            cache.filter(indices)


class PromptDecoder:
    """Prompt after prompt, its rows together and in step: right for every cache, whatever its kind."""

    def __init__(
        self, model: nn.Module, prompts: Sequence[PrefilledPrompt], row_prompts: Sequence[int]
    ) -> None:
        self._model = model
        self._row_prompts = np.asarray(row_prompts)
        self._caches = {
            int(prompt): repeated(prompts[prompt].caches, int(count))
            for prompt, count in zip(*np.unique(self._row_prompts, return_counts=True), strict=True)
        }

    def step(self, tokens: mx.array) -> mx.array:
        """Logits (n, V) after one further token of each row (n,), prompt by prompt."""
        order = [np.flatnonzero(self._row_prompts == prompt) for prompt in self._caches]
        outputs = [
            self._model(tokens[mx.array(rows)][:, None], cache=caches)[:, -1]
            for rows, caches in zip(order, self._caches.values(), strict=True)
        ]
        return mx.concatenate(outputs)[mx.array(np.argsort(np.concatenate(order)))]

    def keep(self, places: np.ndarray) -> None:
        """Goes on with the rows at `places` only; prompts without a row are dropped."""
        kept = np.isin(np.arange(len(self._row_prompts)), places)
        for prompt in list(self._caches):
            own = kept[self._row_prompts == prompt]
            if own.any():
                keep_rows(self._caches[prompt], mx.array(np.flatnonzero(own)))
            else:
                del self._caches[prompt]
        self._row_prompts = self._row_prompts[kept]


def make_decoder(
    policy: Policy,
    prompts: Sequence[PrefilledPrompt],
    row_prompts: Sequence[int],
    cache_bits: int = 0,
    most_tokens: int | None = None,
    *,
    joins: bool = False,
) -> Decoder:
    """The best decoder that these caches allow; where prompts are shared, `cache_bits` (0: all) is heeded, and no room is
    made for more than `most_tokens` of a row's own. `joins`: with further matrices, and copies of
    prompts where they are few, for fewer operations a token, where that can be and `most_tokens` is known."""
    architecture = policy.architecture
    if architecture.decodes_joined and architecture.decodes_shared and most_tokens and not cache_bits:
        body = joined_body(policy.model, joint=joins) if mx.default_device() == mx.cpu else None
        if body is not None:
            head = head_for(policy.model, architecture)
            numbers = 2 * body.plain.key_heads * body.plain.width
            longest = max(prompt.length for prompt in prompts)
            if joins and (len(row_prompts) - len(prompts)) * longest * numbers <= MOST_COPIED:
                return JoinedDecoder(body, head, prompts, row_prompts, most_tokens)
            return JoinedGroupDecoder(body, policy.model, head, prompts, row_prompts, most_tokens)
    if architecture.decodes_shared:
        return GroupDecoder(policy.model, prompts, row_prompts, cache_bits, most_tokens)
    if architecture.merges_prompts:
        return BatchDecoder(policy.model, prompts, row_prompts)
    return PromptDecoder(policy.model, prompts, row_prompts)
