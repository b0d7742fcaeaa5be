"""How token losses become one number: the weight that each token of a row gets.

loss = sum over rows and tokens of weight x mask x token loss, so it adds up over micro-batches.
GA: slices accumulated per optimizer step; the step's gradient is the plain sum over its slices.
"""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from droid_tune.methods.losses.ratios import row_tokens
from droid_tune.methods.losses.spec import SliceContext

Weight = mx.array | float
#: (slice, mask (n, T)) -> the weight of each token, (n, 1) or one number
Normaliser = Callable[[SliceContext, mx.array], Weight]


def mean_per_sequence(context: SliceContext, mask: mx.array) -> Weight:
    """Every completion counts the same: 1 / (tokens of the row x B x GA), (n, 1). GRPO, SAPO."""
    return 1.0 / (row_tokens(mask) * (context.rows * context.accumulation))


def mean_per_token(context: SliceContext, mask: mx.array) -> Weight:
    """Every token of the slice counts the same: 1 / (tokens x GA). BNPO."""
    return 1.0 / (max(context.tokens, 1.0) * context.accumulation)


def mean_fixed_length(context: SliceContext, mask: mx.array) -> Weight:
    """A constant, so that length earns nothing: 1 / (B x longest completion x GA). Dr. GRPO."""
    return 1.0 / (context.rows * context.max_completion_length * context.accumulation)


def sum_per_sequence(context: SliceContext, mask: mx.array) -> Weight:
    """A completion counts by its length: 1 / (B x GA). LUSPO."""
    return 1.0 / (context.rows * context.accumulation)


def mean_of_rows(context: SliceContext, mask: mx.array) -> Weight:
    """One number a completion, every completion the same: 1 / (B x GA). RLOO, GMPO, A*-PO."""
    return 1.0 / (context.rows * context.accumulation)


def mean_over_rollout(context: SliceContext, mask: mx.array) -> Weight:
    """Every token of the generation batch counts the same: DAPO, CISPO, VESPO, REINFORCE.

    The rollout's tokens are rescaled from its `steps_per_generation` slices to the GA slices of one
    optimizer step; with as many of either this is the token mean of the step.
    """
    tokens = max(context.rollout_tokens, 1.0)
    if context.training:
        tokens *= context.gradient_accumulation_steps / context.steps_per_generation
    return 1.0 / tokens


def logged_scale(normaliser: Normaliser, context: SliceContext) -> int:
    """What TRL's `policy_loss` undoes before logging: the division by GA, where there was one."""
    return 1 if normaliser is mean_over_rollout else context.accumulation
