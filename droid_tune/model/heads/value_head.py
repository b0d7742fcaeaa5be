"""Numbers read from hidden states: a reward model's head, and a critic beside the policy on the same base.

A head is one row of weights over the last hidden state (after the final norm), without a bias, as transformers' classes for
sequence classification have it. It hangs in the model under a name of its own, so that the optimizer and checkpoints take it
along; an adapter's file does not hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from droid_tune.errors import UserError
from droid_tune.model.arrays import APART, HEAD
from droid_tune.model.checks.probe import body_of
from droid_tune.model.policy import Policy
from droid_tune.paths import REWARD_HEAD

HEAD_WEIGHTS = REWARD_HEAD


def add_reward_head(policy: Policy, *, seed: int) -> None:
    """Give the model a head of rewards, whose first weights derive from `seed`: normal, 1 / sqrt(D + 1) wide.

    Raises UserError for models whose hidden states cannot be read.
    """
    width = hidden_width(policy)
    first = mx.random.normal((1, width), scale=(width + 1) ** -0.5, key=mx.random.key(seed))
    cast("Any", policy.model)[HEAD] = head_of_weights(first)


def head_of_weights(weight: mx.array) -> nn.Linear:
    """A head with these weights (1, D)."""
    head = nn.Linear(weight.shape[-1], 1, bias=False)
    head.weight = weight.astype(mx.float32)
    mx.eval(head.parameters())
    return head


def reward_head(policy: Policy) -> nn.Linear:
    """The head of a policy that has one."""
    return cast("Any", policy.model)[HEAD]


def hidden_width(policy: Policy) -> int:
    """Numbers D of a hidden state. Raises UserError where the model gives logits alone."""
    if not policy.architecture.splits_head:
        raise UserError(
            "This model's hidden states cannot be read, so no number can be learnt from them",
            place=str(policy.path),
            remedy="choose another model, such as one of the Llama, Qwen, Mistral or Gemma families",
        )
    probe = body_of(policy.model, policy.architecture)(mx.zeros((1, 1), dtype=mx.int32), cache=None)
    return int(probe.shape[-1])


def read_numbers(head: nn.Linear, states: mx.array) -> mx.array:
    """(M,) float32 of hidden states (M, D)."""
    return states.astype(mx.float32) @ head.weight.astype(mx.float32)[0]


def apart_arrays(policy: Policy) -> dict[str, mx.array]:
    """What is trained beside the adapter, by name; {} of a policy alone."""
    return {name: array for name, array in policy.learnt().items() if name.startswith(APART)}


def load_apart(policy: Policy, arrays: Mapping[str, mx.array], *, place: str) -> None:
    """Set what is trained beside the adapter; unknown, missing or misshapen arrays are refused."""
    expected = apart_arrays(policy)
    fit = arrays.keys() == expected.keys() and all(
        arrays[name].shape == wanted.shape for name, wanted in expected.items()
    )
    if not fit:
        raise UserError(
            "The head does not fit the model",
            place=place,
            remedy="use the model and adapter settings it was trained with",
        )
    typed = [(name, arrays[name].astype(wanted.dtype)) for name, wanted in expected.items()]
    if typed:
        policy.model.update(tree_unflatten(typed))
        mx.eval(policy.model.trainable_parameters())


def head_file(folder: Path) -> Path:
    """Where a folder with an adapter holds the head that belongs to it."""
    return folder / HEAD_WEIGHTS
