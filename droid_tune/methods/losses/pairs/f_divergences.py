"""Divergences from the reference in DPO's place of the reverse KL (f-DPO, arXiv 2309.16240).

Each turns log(policy / reference) of a whole answer, (n,), into the score that is compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_sides import log_sigmoid
from droid_tune.names import FDivergence

#: the largest exponent that is taken: e ** 80 is still a float32
LARGEST_EXPONENT = 80.0


def reverse_kl(log_ratio: mx.array, _: float) -> mx.array:
    """DPO's own."""
    return log_ratio


def forward_kl(log_ratio: mx.array, _: float) -> mx.array:
    """1 - reference / policy."""
    return -mx.expm1(mx.minimum(-log_ratio, LARGEST_EXPONENT))


def js_divergence(log_ratio: mx.array, _: float) -> mx.array:
    """Jensen-Shannon: log(2 policy / (policy + reference))."""
    return math.log(2.0) + log_sigmoid(log_ratio)


def alpha_divergence(log_ratio: mx.array, alpha: float) -> mx.array:
    """Between the two KLs: alpha near 1 is the reverse one, near 0 the forward one."""
    if alpha == 1.0:
        return log_ratio
    exponent = mx.minimum((alpha - 1.0) * log_ratio, LARGEST_EXPONENT)
    return mx.expm1(exponent) / (alpha - 1.0)


F_DIVERGENCES: dict[FDivergence, Callable[[mx.array, float], mx.array]] = {
    "reverse_kl": reverse_kl,
    "forward_kl": forward_kl,
    "js_divergence": js_divergence,
    "alpha_divergence": alpha_divergence,
}
