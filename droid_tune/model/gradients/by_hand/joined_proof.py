"""The proof, on the loaded weights, that passes by hand give a model's own numbers."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.model.arrays import close
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError, empty_caches
from droid_tune.model.gradients.by_hand.joined_pass import JoinedPass
from droid_tune.model.gradients.by_hand.plain_body import plain_body
from droid_tune.model.gradients.by_hand.shared_pass import PromptByHand, PromptedRows


def passes_joined(model: nn.Module, body: Callable[..., mx.array], tokens: mx.array) -> bool:
    """Whether `plain_body` knows the model, and passes over `tokens` (1, T), whole and as a prompt with two completions, give
    the states that its own `body` gives."""
    try:
        plain = plain_body(model)
        windows = any(
            not isinstance(cache, PrefixCache) or cache.window is not None for cache in empty_caches(model)
        )
        if plain is None or windows:
            return False
        expected, cut = body(tokens, cache=None)[0], tokens.shape[1] // 2
        whole = JoinedPass(plain, tokens, np.arange(tokens.shape[1])).results[0]
        shared = PromptByHand(plain, tokens[:, :cut])
        answers = mx.repeat(tokens[:, cut:], 2, axis=0)
        behind = PromptedRows(plain, shared.results, answers, np.arange(answers.size)).results[0]
        return close(whole, expected) and close(behind, mx.tile(expected[cut - 1 : -1], (2, 1)))
    except (UnsharableCacheError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
