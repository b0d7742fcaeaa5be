"""Numbers that a head reads from hidden states, and the gradient of a loss over them.

The passes are those of log-probabilities (`scoring.py`): the number of a scored token is read from the state that predicts it,
so it knows what stands before that token and no more. The vocabulary is not looked at.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.control import UNWATCHED, Watch
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.arrays import Indices, number
from droid_tune.model.gradients.head_loss import Loss, spread
from droid_tune.model.gradients.scoring import gradients_through, hidden_states, place, reading
from droid_tune.model.gradients.scoring_rows import FloatArray, ScoringRows
from droid_tune.model.gradients.trainables import Trainables
from droid_tune.model.heads.value_head import read_numbers
from droid_tune.model.policy import Policy


def values_of(
    policy: Policy, rows: ScoringRows, head: nn.Linear, plan: MemoryPlan, watch: Watch = UNWATCHED
) -> FloatArray:
    """(N, T), 0 where nothing is scored; no gradient. `watch` is asked between micro-batches, and ends it with `Stopped`."""
    values = np.zeros(rows.tokens.shape, np.float32)
    with reading(policy):
        for row_index, flat, hidden, _ in hidden_states(policy, rows, plan, watch):
            place(values, row_index, flat, read_numbers(head, hidden))
    return values


class ValueLoss:
    """Evaluates `loss` micro-batch by micro-batch; `total`, `reports` and the head's own gradient add up."""

    def __init__(self, policy: Policy, length: int, loss: Loss, head: nn.Linear) -> None:
        self._length, self._loss, self._head = length, loss, head
        self.trainables = Trainables(policy.model)
        self.head_gradient = mx.zeros_like(head.weight)
        self.total = 0.0
        self.reports: list[dict[str, Any]] = []

    def gradient(
        self,
        hidden: mx.array,
        targets: mx.array,
        row_index: Indices,
        flat: Indices,
        gradients: list[mx.array],
    ) -> mx.array:
        """d loss / d hidden (M, D), float32."""
        rows, places = len(row_index), mx.array(flat)

        def of_values(values: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
            return self._loss(row_index, spread(values, places, rows, self._length), None)

        (value, report), slopes = mx.value_and_grad(of_values)(read_numbers(self._head, hidden))
        self.head_gradient = self.head_gradient + slopes[None] @ hidden.astype(mx.float32)
        mx.eval(value, report, slopes, self.head_gradient)
        self.total += number(value)
        self.reports.append(report)
        return slopes[:, None] * self._head.weight.astype(mx.float32)


def value_gradients(
    policy: Policy, rows: ScoringRows, loss: Loss, head: nn.Linear, *, plan: MemoryPlan, dropout_seed: int = 0
) -> tuple[float, dict[str, Any], mx.array, list[dict[str, Any]]]:
    """The loss summed over micro-batches, its gradient over the trainable parameters, that of the head's weights (1, D),
    and the loss's sums. `loss` gets row numbers and values (n, T)."""
    out = ValueLoss(policy, rows.length, loss, head)
    gradients = gradients_through(policy, rows, out, plan, dropout_seed)
    return out.total, gradients, out.head_gradient, out.reports
