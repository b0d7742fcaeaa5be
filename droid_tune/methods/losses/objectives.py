"""The per-token losses, before they are gated and averaged. One new loss is one function and one line of a table.

Shapes: n rows, T positions; ratios (n, T), or (n, 1) at sequence level; advantages (n, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.spec import LossSpec
from droid_tune.names import LossType

#: VESPO's bounds on a log weight
LEAST_LOG_WEIGHT, LARGEST_LOG_WEIGHT = math.log(1e-8), 20.0


@dataclass(frozen=True)
class Tokens:
    """What a per-token loss may look at; `old_logprobs` and `sampler_ratio` carry no gradient."""

    ratio: mx.array
    logprobs: mx.array
    old_logprobs: mx.array
    advantages: mx.array
    mask: mx.array
    sampler_ratio: mx.array | None


def capped_ratio(spec: LossSpec, ratio: mx.array) -> mx.array:
    """The unclipped branch of the surrogate: at most `delta` (two-sided clipping, INTELLECT-2)."""
    return ratio if spec.delta is None else mx.minimum(ratio, spec.delta)


def clipped_surrogate(spec: LossSpec, tokens: Tokens) -> mx.array:
    """PPO's pessimistic surrogate with two widths (Clip-Higher, DAPO, arXiv 2503.14476)."""
    bounded = mx.clip(tokens.ratio, 1.0 - spec.epsilon, 1.0 + spec.upper_width)
    first = capped_ratio(spec, tokens.ratio) * tokens.advantages
    return -mx.minimum(first, bounded * tokens.advantages)


def cispo(spec: LossSpec, tokens: Tokens) -> mx.array:
    """CISPO (MiniMax-M1, arXiv 2506.13585): log pi weighed by a capped ratio that carries no gradient."""
    weight = mx.stop_gradient(mx.minimum(tokens.ratio, spec.upper_width))
    return -weight * tokens.advantages * tokens.logprobs


def sapo(spec: LossSpec, tokens: Tokens) -> mx.array:
    """SAPO (arXiv 2511.20347): a sigmoid gate instead of a clip, steeper where the advantage is not positive."""
    steepness = mx.where(tokens.advantages > 0, spec.sapo_temperature_pos, spec.sapo_temperature_neg)
    return -mx.sigmoid(steepness * (tokens.ratio - 1.0)) * (4.0 / steepness) * tokens.advantages


def vespo(spec: LossSpec, tokens: Tokens) -> mx.array:
    """VESPO (arXiv 2602.10693): log pi weighed by a smooth function of the whole completion's weight."""
    return -vespo_weight(spec, tokens) * tokens.advantages * tokens.logprobs


def vespo_weight(spec: LossSpec, tokens: Tokens) -> mx.array:
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


def reinforce(spec: LossSpec, tokens: Tokens) -> mx.array:
    """-A log pi: the plain policy gradient, without a ratio."""
    return -tokens.advantages * tokens.logprobs


OBJECTIVES: dict[LossType, Callable[[LossSpec, Tokens], mx.array]] = {
    "grpo": clipped_surrogate,
    "bnpo": clipped_surrogate,
    "dr_grpo": clipped_surrogate,
    "dapo": clipped_surrogate,
    "luspo": clipped_surrogate,
    "cispo": cispo,
    "sapo": sapo,
    "vespo": vespo,
    "reinforce": reinforce,
}
CLIPPED_LOSSES = frozenset(name for name, objective in OBJECTIVES.items() if objective is clipped_surrogate)
