"""The per-token losses, and how each is averaged.

One new loss is one function here with a line above it that names it and its average, and its word in `droid_tune.names`,
which the configs, the form and the spec read.

Shapes: n rows, T positions; ratios (n, T), or (n, 1) at sequence level; advantages (n, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import mlx.core as mx

from droid_tune.methods.losses.normalisers import (
    Normaliser,
    mean_fixed_length,
    mean_of_rows,
    mean_over_rollout,
    mean_per_sequence,
    mean_per_token,
    sum_per_sequence,
)
from droid_tune.methods.losses.ratios import bounded_exp, row_tokens
from droid_tune.methods.losses.spec import LossSpec
from droid_tune.names import LossType

#: VESPO's bounds on a log weight
LEAST_LOG_WEIGHT, LARGEST_LOG_WEIGHT = math.log(1e-8), 20.0


@dataclass(frozen=True)
class ScoredTokens:
    """What a loss may look at; `old_logprobs`, `reference_logprobs` and `sampler_ratio` carry no gradient.

    `kept` (n, T) is the mask without the tokens that the entropy gate takes out.
    """

    ratio: mx.array
    logprobs: mx.array
    old_logprobs: mx.array
    advantages: mx.array
    mask: mx.array
    sampler_ratio: mx.array | None
    kept: mx.array
    reference_logprobs: mx.array | None = None


Objective = Callable[[LossSpec, ScoredTokens], mx.array]


class Loss(NamedTuple):
    """The loss of each token, (n, T) or (n, 1), before it is gated; and the weight that averages it."""

    objective: Objective
    normaliser: Normaliser


LOSSES: dict[LossType, Loss] = {}


def loss(name: LossType, normaliser: Normaliser) -> Callable[[Objective], Objective]:
    """Enters the objective below into LOSSES."""

    def enter(objective: Objective) -> Objective:
        LOSSES[name] = Loss(objective, normaliser)
        return objective

    return enter


def capped_ratio(spec: LossSpec, ratio: mx.array) -> mx.array:
    """The unclipped branch of the surrogate: at most `delta` (two-sided clipping, INTELLECT-2)."""
    return ratio if spec.delta is None else mx.minimum(ratio, spec.delta)


@loss("grpo", mean_per_sequence)
@loss("bnpo", mean_per_token)
@loss("dr_grpo", mean_fixed_length)
@loss("dapo", mean_over_rollout)
@loss("luspo", sum_per_sequence)
def clipped_surrogate(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """PPO's pessimistic surrogate with two widths (Clip-Higher, DAPO, arXiv 2503.14476)."""
    bounded = mx.clip(tokens.ratio, 1.0 - spec.epsilon, 1.0 + spec.upper_width)
    first = capped_ratio(spec, tokens.ratio) * tokens.advantages
    return -mx.minimum(first, bounded * tokens.advantages)


@loss("rloo", mean_of_rows)
def clipped_completions(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """The clipped surrogate of whole completions (n, 1), by their own ratio (RLOO, arXiv 2402.14740)."""
    return clipped_surrogate(spec, tokens)


@loss("gmpo", mean_of_rows)
def gmpo(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """GMPO (arXiv 2507.20673): the geometric mean of a completion's ratios (n, 1), each clipped on the side that hurts.

    The clip is in log space, so `epsilon` is in nats. The entropy gate takes tokens out of the mean itself.
    """
    moved = tokens.logprobs - tokens.old_logprobs
    held = mx.where(
        tokens.advantages > 0, mx.minimum(moved, spec.upper_width), mx.maximum(moved, -spec.epsilon)
    )
    mean = (held * tokens.kept).sum(axis=1, keepdims=True) / row_tokens(tokens.kept)
    return -bounded_exp(mean) * tokens.advantages


@loss("a2po", mean_of_rows)
def optimal_value_regression(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """A*-PO (arXiv 2505.20686): the implicit reward, beta2 log pi / pi_ref, is to be the reward above the best value."""
    return (implicit_reward(spec, tokens) - tokens.advantages) ** 2


def implicit_reward(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """beta2 x (log policy - log reference) of each completion (n, 1)."""
    if tokens.reference_logprobs is None:
        raise ValueError("A*-PO needs reference log-probabilities")
    drift = (tokens.logprobs - tokens.reference_logprobs) * tokens.mask
    return spec.beta2 * drift.sum(axis=1, keepdims=True)


@loss("cispo", mean_over_rollout)
def cispo(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """CISPO (MiniMax-M1, arXiv 2506.13585): log pi weighed by a capped ratio that carries no gradient."""
    weight = mx.stop_gradient(mx.minimum(tokens.ratio, spec.upper_width))
    return -weight * tokens.advantages * tokens.logprobs


@loss("sapo", mean_per_sequence)
def sapo(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """SAPO (arXiv 2511.20347): a sigmoid gate instead of a clip, steeper where the advantage is not positive."""
    steepness = mx.where(tokens.advantages > 0, spec.sapo_temperature_pos, spec.sapo_temperature_neg)
    return -mx.sigmoid(steepness * (tokens.ratio - 1.0)) * (4.0 / steepness) * tokens.advantages


@loss("vespo", mean_over_rollout)
def vespo(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """VESPO (arXiv 2602.10693): log pi weighed by a smooth function of the whole completion's weight."""
    return -vespo_weight(spec, tokens) * tokens.advantages * tokens.logprobs


def vespo_weight(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """phi(w) = e^lambda w^k e^(-lambda w) per row (n, 1), without gradient; phi(1) = 1.

    log w is a sum over the row's tokens, not a mean, and takes in the sampler's ratio.
    """
    log_ratio = mx.clip(tokens.logprobs - tokens.old_logprobs, -LARGEST_LOG_WEIGHT, LARGEST_LOG_WEIGHT)
    log_weight = (log_ratio * tokens.mask).sum(axis=1, keepdims=True)
    if tokens.sampler_ratio is not None:
        sampler = mx.clip(mx.log(tokens.sampler_ratio), LEAST_LOG_WEIGHT, LARGEST_LOG_WEIGHT)
        log_weight = log_weight + sampler.sum(axis=1, keepdims=True)
    log_weight = mx.clip(log_weight, LEAST_LOG_WEIGHT, LARGEST_LOG_WEIGHT)
    better = tokens.advantages >= 0
    power = mx.where(better, spec.vespo_k_pos, spec.vespo_k_neg)
    decay = mx.maximum(mx.where(better, spec.vespo_lambda_pos, spec.vespo_lambda_neg), 1e-4)
    return mx.stop_gradient(mx.exp(decay + power * log_weight - decay * mx.exp(log_weight)))


@loss("reinforce", mean_over_rollout)
def reinforce(spec: LossSpec, tokens: ScoredTokens) -> mx.array:
    """-A log pi: the plain policy gradient, without a ratio."""
    return -tokens.advantages * tokens.logprobs
