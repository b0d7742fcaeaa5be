"""From hidden states to token log-probabilities, the vocabulary never existing whole.

For M tokens and a vocabulary of V the logits are M x V numbers, by far the largest array of a training step. They are
made for a few tokens at a time, reduced, evaluated and dropped. The gradient is kept instead: the log-probability of a
token depends on that token's hidden state alone, so d logprob / d hidden is one vector per token, (M, D), and the
chain rule is a multiplication. The same holds for the entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

Head = Callable[[mx.array], mx.array]


@dataclass(frozen=True)
class TokenScores:
    """Per token, M of them: log-probability, entropy and their derivatives by the hidden state (M, D)."""

    logprobs: mx.array
    entropies: mx.array | None = None
    logprob_slopes: mx.array | None = None
    entropy_slopes: mx.array | None = None


def token_logprobs(logits: mx.array, targets: mx.array, temperature: float) -> mx.array:
    """Float32 log softmax(logits / temperature) of `targets` (M,) under `logits` (M, V)."""
    scaled = logits.astype(mx.float32) / temperature
    chosen = mx.take_along_axis(scaled, targets[:, None], axis=-1)[:, 0]
    return chosen - mx.logsumexp(scaled, axis=-1)


def token_entropies(logits: mx.array, temperature: float) -> mx.array:
    """Float32 entropy of softmax(logits / temperature), nats per token (M,)."""
    scaled = logits.astype(mx.float32) / temperature
    lse = mx.logsumexp(scaled, axis=-1)
    return lse - (mx.exp(scaled - lse[:, None]) * scaled).sum(axis=-1)


def score_tokens(
    head: Head,
    hidden: mx.array,
    targets: mx.array,
    *,
    temperature: float,
    chunk: int,
    with_entropy: bool = False,
    with_slopes: bool = False,
) -> TokenScores:
    """Scores of `targets` (M,) given `hidden` (M, D), `chunk` tokens at a time."""

    def logprobs_of(states: mx.array, wanted: mx.array) -> mx.array:
        return token_logprobs(head(states), wanted, temperature)

    def entropies_of(states: mx.array) -> mx.array:
        return token_entropies(head(states), temperature)

    pieces: list[list[mx.array]] = []
    for start in range(0, hidden.shape[0], chunk):
        states, wanted = hidden[start : start + chunk], targets[start : start + chunk]
        if with_slopes:
            piece = _with_slope(lambda s, w=wanted: logprobs_of(s, w), states)
            piece += _with_slope(entropies_of, states) if with_entropy else []
        else:
            logits = head(states)
            piece = [token_logprobs(logits, wanted, temperature)]
            piece += [token_entropies(logits, temperature)] if with_entropy else []
        mx.eval(piece)
        pieces.append(piece)
    columns = [mx.concatenate(list(column)) for column in zip(*pieces, strict=True)]
    return _named(columns, with_entropy, with_slopes)


def _with_slope(function: Callable[[mx.array], mx.array], states: mx.array) -> list[mx.array]:
    """A per-token function's values (M,) and derivatives (M, D): tokens are independent, so ones as cotangent do."""
    values, slopes = mx.vjp(lambda s: [function(s)], [states], [mx.ones(states.shape[0])])
    return [values[0], slopes[0]]


def _named(columns: list[mx.array], with_entropy: bool, with_slopes: bool) -> TokenScores:
    if not with_slopes:
        return TokenScores(columns[0], columns[1] if with_entropy else None)
    if not with_entropy:
        return TokenScores(columns[0], None, columns[1])
    return TokenScores(columns[0], columns[2], columns[1], columns[3])
