"""From hidden states to token log-probabilities, the vocabulary never existing whole.

For M tokens and a vocabulary of V the logits are M x V numbers, by far the largest array of a training step. They are
made for a few tokens at a time, reduced, evaluated and dropped. The gradient is kept instead: the log-probability of a
token depends on that token's hidden state alone, so d logprob / d hidden is one vector per token, (M, D), and the
chain rule is a multiplication. The same holds for the entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import mlx.core as mx

from droid_tune.model.arrays import Indices
from droid_tune.numerics import at_temperature, exponential

Head = Callable[[mx.array], mx.array]
#: in one kernel, outside of MLX's gradients
_AT_TEMPERATURE = mx.compile(at_temperature, shapeless=True)


class Measure(Protocol):
    """One more number per token, made of its logits: how far they are from a teacher's."""

    def places(self, row_index: Indices, flat: Indices, length: int) -> Indices:
        """Where the measure keeps what it knows of tokens at `flat` positions in (rows of `row_index`, `length`)."""
        ...

    def measured(self, logits: mx.array, places: Indices) -> tuple[mx.array, mx.array]:
        """Values (c,) of float32 logits (c, V) at the temperature, and their derivative by them."""
        ...


@dataclass(frozen=True)
class Measuring:
    """A measure, and the places (M,) of the tokens that are scored."""

    measure: Measure
    places: Indices


@dataclass(frozen=True)
class TokenScores:
    """Per token, M of them: log-probability, entropy, a measure, and their derivatives by the hidden state (M, D); and the
    logarithm of sum p^2 over the vocabulary, how likely two draws are the same token."""

    logprobs: mx.array
    entropies: mx.array | None = None
    logprob_gradients: mx.array | None = None
    entropy_gradients: mx.array | None = None
    collisions: mx.array | None = None
    measures: mx.array | None = None
    measure_gradients: mx.array | None = None


def score_tokens(
    head: Head,
    hidden: mx.array,
    targets: mx.array,
    *,
    temperature: float,
    chunk: int,
    with_entropy: bool = False,
    with_gradients: bool = False,
    entropy_gradients: bool = True,
    with_collisions: bool = False,
    measuring: Measuring | None = None,
) -> TokenScores:
    """Scores of `targets` (M,) given `hidden` (M, D), `chunk` tokens at a time.

    `with_gradients` adds the derivatives; that of the entropy, as dear as the other, only with `entropy_gradients`. M may be
    0: a slice may have nothing to teach.
    """
    if not len(targets):
        return _no_scores(hidden, with_entropy, with_gradients, entropy_gradients, with_collisions, measuring)
    pieces: list[list[mx.array | None]] = []
    for start in range(0, hidden.shape[0], chunk):
        span = slice(start, start + chunk)
        piece = _scored(
            head,
            hidden[span],
            targets[span],
            temperature,
            with_entropy,
            with_gradients,
            entropy_gradients,
            with_collisions,
        )
        if measuring is not None:
            part = Measuring(measuring.measure, measuring.places[span])
            piece += _measured(head, hidden[span], temperature, part, with_gradients)
        mx.eval([part for part in piece if part is not None])
        pieces.append(piece)
    columns = [_joined(column) for column in zip(*pieces, strict=True)]
    return TokenScores(columns[0] if columns[0] is not None else mx.zeros((0,)), *columns[1:])


def _no_scores(
    hidden: mx.array,
    with_entropy: bool,
    with_gradients: bool,
    entropy_gradients: bool,
    with_collisions: bool,
    measuring: Measuring | None,
) -> TokenScores:
    """What is asked for, of no token."""
    none, no_slope = mx.zeros((0,)), mx.zeros((0, hidden.shape[-1]))
    return TokenScores(
        none,
        entropies=none if with_entropy else None,
        logprob_gradients=no_slope if with_gradients else None,
        entropy_gradients=no_slope if with_entropy and with_gradients and entropy_gradients else None,
        collisions=none if with_collisions else None,
        measures=none if measuring is not None else None,
        measure_gradients=no_slope if measuring is not None and with_gradients else None,
    )


def _scored(
    head: Head,
    states: mx.array,
    targets: mx.array,
    temperature: float,
    with_entropy: bool,
    with_gradients: bool,
    entropy_gradients: bool,
    with_collisions: bool,
) -> list[mx.array | None]:
    """Log-probabilities, entropies and their gradients for one chunk, with a single exponential over the vocabulary."""
    temperature = temperature or 1.0
    scaled = _AT_TEMPERATURE(head(states), temperature)
    best = scaled.max(axis=-1, keepdims=True)
    wanted = targets[:, None]
    chosen, gaps = mx.take_along_axis(scaled, wanted, axis=-1), best - scaled
    del scaled
    mx.eval(chosen, gaps)  # step by step: MLX makes room for all that it has been told of
    mass = exponential(-gaps)
    total = mass.sum(axis=-1, keepdims=True)
    level = mx.log(total)
    mx.eval(mass, level)
    # as others compute them, to the last digit: a teacher may say the same
    logprobs = chosen - (best + level)
    entropies = level + (mass * gaps).sum(axis=-1, keepdims=True) / total if with_entropy else None
    collisions = mx.log(mx.square(mass).sum(axis=-1)) - 2 * level[:, 0] if with_collisions else None
    mx.eval([one for one in (logprobs, entropies, collisions) if one is not None])
    of_logprob = of_entropy = None
    if with_gradients:
        share = 1 / (temperature * total)
        own = 1 / temperature - mx.take_along_axis(mass, wanted, axis=-1) * share
        if entropies is not None and entropy_gradients:
            of_entropy = _pulled(head, states, _by_entropy(mass, share, level - entropies, gaps))
            mx.eval(of_entropy)
        mx.eval(own, share)
        falls = mass * -share
        del mass, gaps
        mx.eval(falls)
        of_logprob = _pulled(head, states, mx.put_along_axis(falls, wanted, own, axis=-1))
    return [
        logprobs[:, 0],
        None if entropies is None else entropies[:, 0],
        of_logprob,
        of_entropy,
        collisions,
    ]


@partial(mx.compile, shapeless=True)
def _by_entropy(mass: mx.array, share: mx.array, level: mx.array, gaps: mx.array) -> mx.array:
    return mass * share * (level + gaps)


def _measured(
    head: Head, states: mx.array, temperature: float, measuring: Measuring, with_gradients: bool
) -> list[mx.array | None]:
    """One chunk's measures (c,), and their derivative by the hidden states (c, D)."""
    scaled = at_temperature(head(states), temperature)
    values, by_logits = measuring.measure.measured(scaled, measuring.places)
    if not with_gradients:
        return [values, None]
    return [values, _pulled(head, states, by_logits * (1 / (temperature or 1.0)))]


def _pulled(head: Head, states: mx.array, by_logits: mx.array) -> mx.array:
    """A derivative by the logits (c, V), taken back to the hidden states (c, D)."""

    def wide(hidden: mx.array) -> list[mx.array]:
        return [head(hidden).astype(mx.float32)]

    return mx.vjp(wide, [states], [by_logits])[1][0]


def _joined(column: Sequence[mx.array | None]) -> mx.array | None:
    parts = [part for part in column if part is not None]
    return mx.concatenate(parts) if parts else None
