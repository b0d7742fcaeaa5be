"""Prompts that have run: each by itself, or short ones together in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache

from droid_tune.model.caches.group import padded_prompt
from droid_tune.model.caches.prefix import empty_caches
from droid_tune.model.checks.last_tokens import last_tokens_alone
from droid_tune.model.checks.probe import body_of
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.policy import Policy


@dataclass(frozen=True)
class PrefilledPrompt:
    """A prompt that has run: its tokens, and the logits (1, V) of its next token.

    `read`: the caches (by layer) of all prompts that ran in its pass, of which it is the one at `row`; None: it ran alone.
    """

    length: int
    read: list[Any]
    logits: mx.array
    row: int | None = None

    @property
    def caches(self) -> list[Any]:
        """Its own caches, by layer."""
        if self.row is None:
            return self.read
        return [cache.of_row(self.row, self.length) for cache in self.read]


def prefilled(
    policy: Policy, prompts: Sequence[Sequence[int]], chunk: int, joined: int = 0
) -> list[PrefilledPrompt]:
    """Run each prompt, `chunk` tokens at a time; short ones together, up to `joined` tokens, where caches allow it."""
    if not joined or not (policy.architecture.decodes_shared and policy.architecture.splits_head):
        return [_alone(policy, prompt, chunk) for prompt in prompts]
    ready: dict[int, PrefilledPrompt] = {}
    for places in _portions([len(prompt) for prompt in prompts], joined):
        chosen = [prompts[place] for place in places]
        made = _together(policy, chosen) if len(chosen) > 1 else [_alone(policy, chosen[0], chunk)]
        ready.update(zip(places, made, strict=True))
    return [ready[place] for place in range(len(prompts))]


def keys_and_values(prompts: Sequence[PrefilledPrompt], longest: int) -> Iterator[tuple[mx.array, mx.array]]:
    """Of each layer what all prompts, which read shared caches, left (P, H, longest, E): keys, and values. What lies behind a
    shorter prompt's end is finite and means nothing."""
    passes = {id(prompt.read): prompt.read for prompt in prompts}
    sizes = [int(caches[0].keys.shape[0]) for caches in passes.values()]
    begins = dict(zip(passes, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    rows = [begins[id(prompt.read)] + (prompt.row or 0) for prompt in prompts]
    wanted = None if rows == list(range(sum(sizes))) else mx.array(rows)

    def arranged(parts: Sequence[mx.array]) -> mx.array:
        even = [padded_prompt(part[:, :, :longest], longest) for part in parts]
        whole = mx.concatenate(even) if len(even) > 1 else even[0]
        return whole if wanted is None else whole[wanted]

    for layer in range(len(prompts[0].read)):
        read = [caches[layer] for caches in passes.values()]
        yield arranged([cache.keys for cache in read]), arranged([cache.values for cache in read])


def _portions(lengths: Sequence[int], joined: int) -> Iterator[list[int]]:
    """Places of the prompts that run together: of like lengths, with padding no more than `joined` tokens."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        count = max(1, joined // lengths[order[0]])
        yield order[:count]
        order = order[count:]


def _alone(policy: Policy, tokens: Sequence[int], chunk: int) -> PrefilledPrompt:
    model, length = policy.model, len(tokens)
    shared = policy.architecture.decodes_shared
    caches: list[Any] = empty_caches(model) if shared else make_prompt_cache(model)
    ids = mx.array([list(tokens)], dtype=mx.int32)
    for start in range(0, length - 1, chunk):
        model(ids[:, start : min(start + chunk, length - 1)], cache=caches)
        mx.eval([cache.state for cache in caches])
    logits = model(ids[:, -1:], cache=caches)[:, -1]
    mx.eval(logits, [cache.state for cache in caches])
    return PrefilledPrompt(length, caches, logits)


def _together(policy: Policy, prompts: Sequence[Sequence[int]]) -> list[PrefilledPrompt]:
    """Prompts in one pass, padded behind their ends: what comes later is not seen there."""
    lengths = [len(prompt) for prompt in prompts]
    ids = np.zeros((len(prompts), max(lengths)), np.int32)
    for row, prompt in zip(ids, prompts, strict=True):
        row[: len(prompt)] = prompt
    caches, last = empty_caches(policy.model), mx.array(lengths) - 1
    alone = last_tokens_alone(policy.model, last) if policy.architecture.reads_last else nullcontext()
    with alone:
        hidden = body_of(policy.model, policy.architecture)(mx.array(ids), cache=caches)
    logits = head_for(policy.model, policy.architecture)(hidden[mx.arange(len(prompts)), last])
    mx.eval(logits, [cache.state for cache in caches])
    return [PrefilledPrompt(length, caches, logits[row : row + 1], row) for row, length in enumerate(lengths)]
