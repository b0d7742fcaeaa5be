"""Divergences of a student from a teacher, token by token, with their derivative by the student's logits.

With P the teacher, Q the student and M = beta P + (1 - beta) Q the generalised Jensen-Shannon divergence is
beta KL(P||M) + (1 - beta) KL(Q||M) (GKD, arXiv 2306.13649, equation 1). Its limits at beta 0 and 1 are 0, so the two ends
are cases of their own: KL(P||Q) and KL(Q||P). No factor of the temperature squared. The derivative is written out: it
needs no second pass over the vocabulary, and the fast exponential has none.

Shapes: M tokens, V vocabulary, S categories that are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import mlx.core as mx

from droid_tune.numerics import exponential

#: the most that a support may hold, as a logarithm: what is left is never 0
LARGEST_LOG_MASS = -1e-7

#: below it a share is 0 in float32 and its logarithm no number
LEAST_MIXTURE = 1e-37

#: of whom the likeliest tokens are compared: `beta` takes the teacher's at 0, the student's at 1, else both
SupportOf = Literal["beta", "student"]


@dataclass(frozen=True)
class Divergence:
    """What is compared: the whole vocabulary, or the `top_k` likeliest tokens.

    With `tail` all other tokens are one category more; without, both sides are made to sum to 1 over the support.
    """

    beta: float = 0.5
    top_k: int | None = None
    support_of: SupportOf = "beta"
    tail: bool = False

    def measured(self, student: mx.array, teacher: mx.array) -> tuple[mx.array, mx.array]:
        """Divergence (M,) and its derivative by the student's logits (M, V); both sides are float32 logits (M, V)."""
        own, other = log_softmax(student), log_softmax(teacher)
        if self.top_k is None:
            return _over_everything(own, other, self.beta)
        ids, valid = self._support(student, teacher, min(self.top_k, student.shape[-1]))
        found = mx.take_along_axis(other, ids, axis=-1)
        return on_support(own, Support(ids, valid, found), self.beta, tail=self.tail)

    def _support(self, student: mx.array, teacher: mx.array, count: int) -> tuple[mx.array, mx.array]:
        if self.support_of == "student" or self.beta == 1.0:
            return _alone(likeliest(student, count))
        if self.beta == 0.0:
            return _alone(likeliest(teacher, count))
        return united(likeliest(teacher, count), likeliest(student, count))


@dataclass(frozen=True)
class Support:
    """The tokens `ids` (M, S) that are compared, those that are `valid`, and the teacher's log-probabilities of them."""

    ids: mx.array
    valid: mx.array
    teacher: mx.array


def log_softmax(logits: mx.array) -> mx.array:
    """Log-probabilities (M, V) of float32 logits, by the exponential that is fast here."""
    best = logits.max(axis=-1, keepdims=True)
    return logits - (best + mx.log(exponential(logits - best).sum(axis=-1, keepdims=True)))


def pointwise(
    student: mx.array, teacher: mx.array, beta: float, exp: Callable[[mx.array], mx.array] = exponential
) -> tuple[mx.array, mx.array]:
    """Each category's share of the divergence, and the derivative of the whole by its log-probability.

    Both sides are log-probabilities (M, S); so are the results' shapes. `exp` is MLX's own where MLX differentiates.
    """
    if beta == 0.0:
        share = exp(teacher)
        return share * (teacher - student), -share
    share = exp(student)
    if beta == 1.0:
        gap = student - teacher
        return share * gap, share * (gap + 1.0)
    others = exp(teacher)
    mixture = mx.log(mx.maximum(beta * others + (1.0 - beta) * share, LEAST_MIXTURE))
    gap = (1.0 - beta) * (student - mixture)
    return beta * others * (teacher - mixture) + share * gap, share * gap


def _over_everything(student: mx.array, teacher: mx.array, beta: float) -> tuple[mx.array, mx.array]:
    terms, slope = pointwise(student, teacher, beta)
    return terms.sum(axis=-1), slope - exponential(student) * slope.sum(axis=-1, keepdims=True)


def on_support(student: mx.array, support: Support, beta: float, *, tail: bool) -> tuple[mx.array, mx.array]:
    """The divergence (M,) over some tokens, and its derivative by the student's logits (M, V).

    `student` are log-probabilities over the whole vocabulary (M, V).
    """
    own = mx.where(support.valid, mx.take_along_axis(student, support.ids, axis=-1), -mx.inf)
    other = mx.where(support.valid, support.teacher, -mx.inf)
    compare = _with_tail if tail else _renormalised
    values, inside, outside = compare(own, other, support.valid, beta)
    everywhere = mx.zeros_like(student) if outside is None else exponential(student) * outside
    rows = mx.arange(student.shape[0])[:, None]
    return values, everywhere.at[rows, support.ids].add(inside)


def _renormalised(
    own: mx.array, other: mx.array, valid: mx.array, beta: float
) -> tuple[mx.array, mx.array, None]:
    """Over the support alone: nothing reaches the other logits."""
    own = own - mx.logsumexp(own, axis=-1, keepdims=True)
    other = other - mx.logsumexp(other, axis=-1, keepdims=True)
    terms, slope = _pointwise_of_valid(own, other, valid, beta)
    share = mx.where(valid, mx.exp(own), 0.0)
    return terms.sum(axis=-1), slope - share * slope.sum(axis=-1, keepdims=True), None


def _with_tail(
    own: mx.array, other: mx.array, valid: mx.array, beta: float
) -> tuple[mx.array, mx.array, mx.array]:
    """With one category more for all other tokens; the third result is what each of their shares is multiplied by."""
    log_mass = mx.logsumexp(own, axis=-1, keepdims=True)
    free = log_mass < LARGEST_LOG_MASS
    rest, others_rest = _log_rest(log_mass), _log_rest(mx.logsumexp(other, axis=-1, keepdims=True))
    terms, slope = _pointwise_of_valid(own, other, valid, beta)
    tail_term, tail_slope = pointwise(rest, others_rest, beta)
    tail_slope = mx.where(free, tail_slope, 0.0)
    whole = slope.sum(axis=-1, keepdims=True)
    outside = -whole + tail_slope * mx.exp(log_mass - rest)
    # exponential(student) * outside is added at the support too: there the tail's part is -slope, not slope mass / rest.
    share = mx.where(valid, mx.exp(own), 0.0)
    inside = slope - share * tail_slope * (1.0 + mx.exp(log_mass - rest))
    return (terms.sum(axis=-1, keepdims=True) + tail_term)[:, 0], inside, outside


def _log_rest(log_mass: mx.array) -> mx.array:
    """log(1 - mass), the mass being a little below 1 at the most."""
    return mx.log(-mx.expm1(mx.minimum(log_mass, LARGEST_LOG_MASS)))


def _pointwise_of_valid(
    own: mx.array, other: mx.array, valid: mx.array, beta: float
) -> tuple[mx.array, mx.array]:
    terms, slope = pointwise(mx.where(valid, own, 0.0), mx.where(valid, other, 0.0), beta)
    return mx.where(valid, terms, 0.0), mx.where(valid, slope, 0.0)


def likeliest(logits: mx.array, count: int) -> mx.array:
    """Ids (M, count) of the largest logits, in no order."""
    if count >= logits.shape[-1]:
        return mx.broadcast_to(mx.arange(logits.shape[-1])[None], logits.shape)
    return mx.argpartition(-logits, count - 1, axis=-1)[:, :count]


def united(first: mx.array, second: mx.array) -> tuple[mx.array, mx.array]:
    """Both sets of ids (M, a) and (M, b) as one (M, a + b), and which of them are no repeats."""
    repeats = (second[:, :, None] == first[:, None, :]).any(axis=-1)
    ids = mx.concatenate([first, second], axis=-1)
    return ids, mx.concatenate([mx.ones(first.shape, mx.bool_), ~repeats], axis=-1)


def _alone(ids: mx.array) -> tuple[mx.array, mx.array]:
    return ids, mx.ones(ids.shape, mx.bool_)
