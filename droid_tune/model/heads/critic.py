"""A critic on the policy's own base: what the policy trains, a second time, and a head that reads one number of each state.

It is never a second model: its arrays are put in the place of the policy's while values are read or learnt. It begins as the
policy begins, with a head of zeros, so that it foretells 0 and the first advantages are the rewards themselves.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.arrays import CRITIC, HEAD, flat_arrays
from droid_tune.model.heads.value_head import head_of_weights, hidden_width
from droid_tune.model.places import put_arrays
from droid_tune.model.policy import Policy

#: stands for the dots of a name, which would make a tree of it
_DOT = "/"


class CriticArrays(nn.Module):
    """The critic's own arrays under the names of the policy's, and its head; it computes nothing by itself."""

    def __init__(self, arrays: dict[str, mx.array], head: nn.Linear) -> None:
        super().__init__()
        for name, array in arrays.items():
            self[name.replace(".", _DOT)] = array
        self[HEAD] = head

    @property
    def arrays(self) -> dict[str, mx.array]:
        """By the names of the policy's."""
        own = flat_arrays(self.parameters())
        return {
            name.replace(_DOT, "."): array for name, array in own.items() if not name.startswith(f"{HEAD}.")
        }


def add_critic(policy: Policy) -> None:
    """Give the model a critic, if it has none. Raises UserError for models whose hidden states cannot be read."""
    if CRITIC in policy.model:
        return
    head = head_of_weights(mx.zeros((1, hidden_width(policy))))
    cast("Any", policy.model)[CRITIC] = CriticArrays(policy.trainable(), head)


def critic_of(policy: Policy) -> CriticArrays:
    """The critic of a policy that has one."""
    return cast("Any", policy.model)[CRITIC]


def critic_head(policy: Policy) -> nn.Linear:
    """What reads a number of a state."""
    return cast("Any", critic_of(policy))[HEAD]


@contextmanager
def as_critic(policy: Policy) -> Generator[None]:
    """Inside, the policy's model computes as the critic's body."""
    own = policy.trainable()
    put_arrays(policy.model, critic_of(policy).arrays)
    try:
        yield
    finally:
        put_arrays(policy.model, own)


def critic_tree(gradients: dict[str, Any], of_head: mx.array) -> dict[str, Any]:
    """Gradients of the trainable arrays and of the head (1, D), as the model's tree has the critic."""
    own = {name.replace(".", _DOT): array for name, array in flat_arrays(gradients).items()}
    return {CRITIC: {**own, HEAD: {"weight": of_head}}}
