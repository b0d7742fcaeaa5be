"""What the engine may assume about a model: body and head apart, caches that can be shared by a group.

Nothing is assumed by name. The head is found by letting the model's own `__call__` run on given hidden states, so
tied and untied heads, soft-capping and logit scaling come out right whatever the architecture; a probe on a few
tokens proves each shortcut on the loaded weights, and what fails its proof is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.arrays import close
from droid_tune.model.caches.group import decodes_on_shared_prompts
from droid_tune.model.caches.prefix import shares_prompt_exactly
from droid_tune.model.caches.repeated import merges_exactly
from droid_tune.model.checks.last_tokens import reads_last_tokens
from droid_tune.model.gradients.by_hand.joined_proof import passes_joined
from droid_tune.model.gradients.layers import passes_layer_by_layer
from droid_tune.model.kernels.joined_body import decodes_joined

#: where mlx-lm's models keep the stack that turns tokens into hidden states
BODY_PATHS = (
    ("model",),
    ("backbone",),
    ("transformer",),
    ("language_model", "model"),
    ("model", "language_model"),
    ("language_model", "backbone"),
)


@dataclass(frozen=True)
class Architecture:
    """The proven shortcuts of one loaded model; `why_not` says what is missing, for the plan's sentence."""

    body_path: tuple[str, ...] | None
    shares_prompts: bool
    layer_wise: bool = False
    decodes_shared: bool = False
    #: a token is decoded in few operations (model/kernels/joined_body.py)
    decodes_joined: bool = False
    #: whole rows are read, and learnt from, in few operations (model/gradients/by_hand)
    passes_joined: bool = False
    #: prompts are read to their last tokens (model/checks/last_tokens.py)
    reads_last: bool = False
    #: prompts of different length can be decoded in one batch
    merges_prompts: bool = False
    why_not: str = ""

    @property
    def splits_head(self) -> bool:
        """Whether body and head can be run apart."""
        return self.body_path is not None


class _Given:
    """Stands where the body was and answers with hidden states that are already there."""

    def __init__(self, body: nn.Module, hidden: mx.array) -> None:
        self._body = body
        self._hidden = hidden

    def __call__(self, *_: Any, **__: Any) -> mx.array:
        return self._hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def find(model: nn.Module, path: Sequence[str]) -> Any:
    """The part of a model at a path of attributes. Raises AttributeError where there is none."""
    for name in path:
        model = getattr(model, name)
    return model


def body_of(model: nn.Module, architecture: Architecture) -> Callable[..., mx.array]:
    """Tokens (N, T) and caches to hidden states (N, T, D), final norm included."""
    if architecture.body_path is None:
        raise ValueError("this architecture has no known body")
    return find(model, architecture.body_path)


def head_of(model: nn.Module, body_path: Sequence[str]) -> Callable[[mx.array], mx.array]:
    """Hidden states (..., D) to logits (..., V), by the model's own `__call__` with the body taken out."""
    parent, name = find(model, body_path[:-1]), body_path[-1]
    nothing = mx.zeros((1, 1), dtype=mx.int32)

    def head(hidden: mx.array) -> mx.array:
        body = parent[name]
        parent[name] = _Given(body, hidden.reshape(1, -1, hidden.shape[-1]))
        try:
            logits = model(nothing)
        finally:
            parent[name] = body
        return logits.reshape(*hidden.shape[:-1], logits.shape[-1])

    return head


def inspect(model: nn.Module) -> Architecture:
    """Find and prove the shortcuts of a loaded model (two forward passes over eight tokens)."""
    tokens = mx.array([[3, 5, 7, 4, 2, 6, 8, 1]], dtype=mx.int32)
    expected = model(tokens).astype(mx.float32)
    body_path = next((path for path in BODY_PATHS if _splits_at(model, path, tokens, expected)), None)
    if body_path is None:
        reason = "the output head of this architecture cannot be taken apart"
        return Architecture(None, False, merges_prompts=merges_exactly(model, tokens), why_not=reason)
    body = find(model, body_path)
    shares, why_not = shares_prompt_exactly(model, body, tokens)
    return Architecture(
        body_path,
        shares,
        layer_wise=passes_layer_by_layer(model, body, tokens),
        decodes_shared=decodes_on_shared_prompts(model, tokens),
        decodes_joined=body_path == ("model",) and decodes_joined(model, tokens),
        passes_joined=body_path == ("model",) and passes_joined(model, body, tokens),
        reads_last=reads_last_tokens(model, body, tokens),
        merges_prompts=merges_exactly(model, tokens),
        why_not=why_not,
    )


def _splits_at(model: nn.Module, path: Sequence[str], tokens: mx.array, expected: mx.array) -> bool:
    try:
        hidden = find(model, path)(tokens, cache=None)
        if not isinstance(hidden, mx.array) or hidden.ndim != 3:
            return False
        return close(head_of(model, path)(hidden), expected)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
