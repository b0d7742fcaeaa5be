"""How far a student's distributions are from its teacher's, of whom hidden states are kept and logits made again.

A teacher's logits over a vocabulary would be the largest array of a run; its hidden states are as small as the student's,
and its head gives the logits of a few tokens at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from droid_tune.methods.distillation.divergence import Divergence
from droid_tune.model.arrays import Indices
from droid_tune.model.gradients.head import Head
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.gradients.trainables import Trainables
from droid_tune.model.policy import Policy
from droid_tune.model.reference import as_reference
from droid_tune.numerics import at_temperature


def teacher_head(policy: Policy, *, reference: bool) -> Head:
    """What makes logits of a self-teacher's states: the policy's head, as the reference has it where it is trained too."""
    head = head_for(policy.model, policy.architecture)
    trained = policy.architecture.splits_head and Trainables(policy.model).outside_layers()
    if not reference or not trained:
        return head

    def as_it_was(states: mx.array) -> mx.array:
        with as_reference(policy):
            return head(states)

    return as_it_was


@dataclass(frozen=True)
class TeacherMeasure:
    """The divergence from a teacher whose `states` (S, D) at scored tokens are known.

    `slots` (N, T) says where the state of each row's token lies, -1 where it has none; `head` makes logits of states.
    """

    divergence: Divergence
    states: mx.array
    slots: Indices
    head: Head
    temperature: float

    def places(self, row_index: Indices, flat: Indices, length: int) -> Indices:
        """The slots (M,) of tokens at `flat` positions in (rows of `row_index`, `length`)."""
        row, column = np.divmod(flat, length)
        return self.slots[row_index[row], column]

    def measured(self, logits: mx.array, places: Indices) -> tuple[mx.array, mx.array]:
        """Divergences (c,) of the student's logits (c, V) at the temperature, and their derivative by them.

        A token whose teacher says nothing has no divergence. Models of a family pad their vocabulary differently: what
        only one of them has is no token, and is left out.
        """
        known = mx.array(places) >= 0
        states = self.states[mx.array(places.clip(0))]
        teacher = mx.stop_gradient(at_temperature(self.head(states), self.temperature))
        shared = min(logits.shape[-1], teacher.shape[-1])
        values, slopes = self.divergence.measured(logits[:, :shared], teacher[:, :shared])
        slopes = mx.pad(mx.where(known[:, None], slopes, 0.0), [(0, 0), (0, logits.shape[-1] - shared)])
        return mx.where(known, values, 0.0), slopes
