"""The gated delta rule in chunks (Yang et al., Gated Delta Networks, arXiv 2412.06464, section 3.3; WY form of
Bischof and Van Loan).

S_t = g_t S_(t-1) + b_t k_t (v_t - k_t^T g_t S_(t-1)),  o_t = S_t^T q_t, with a state S of (Dk, Dv). The gate g_t is a
number a head (Qwen3-Next, OLMo hybrid) or one a channel of the key (Kimi Linear, arXiv 2510.26692).
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.model.kernels.recurrence.chunks import over_spans
from droid_tune.model.kernels.recurrence.triangular import (
    decay_matrix,
    decayed_products,
    inverse_of_unit_lower,
    since_start,
    until_end,
)


def gated_delta(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    log_gates: mx.array,
    strengths: mx.array,
    state: mx.array,
) -> tuple[mx.array, mx.array]:
    """The output (n, T, H, Dv) and the state after the last token, float32 as `state` (n, H, Dk, Dv).

    `queries`, `keys` (n, T, H, Dk), scaled and normalised by the caller; `values` (n, T, H, Dv); `log_gates` (n, T, H)
    or (n, T, H, Dk), at most 0; `strengths` (n, T, H), 0 where a token leaves the state alone.
    """
    span = _channel_span if log_gates.ndim == 4 else _head_span
    wide = [one.astype(mx.float32) for one in (queries, keys, values, log_gates, strengths)]
    return over_spans(span, state, wide)


def _head_span(
    state: mx.array, queries: mx.array, keys: mx.array, values: mx.array, gates: mx.array, strengths: mx.array
) -> tuple[mx.array, mx.array]:
    """One gate a head: the decay between two tokens is one number."""
    decays = decay_matrix(gates)
    turned = keys.swapaxes(-1, -2)
    against_keys = mx.tril((keys @ turned) * decays, -1)
    against_queries = (queries @ turned) * decays
    since, until = since_start(gates, -1)[..., None], until_end(gates, -1)[..., None]
    return _through(
        state,
        (against_keys, against_queries),
        (keys * since, queries * since, keys * until),
        values,
        since[..., -1:, :],
        strengths[..., None],
    )


def _channel_span(
    state: mx.array, queries: mx.array, keys: mx.array, values: mx.array, gates: mx.array, strengths: mx.array
) -> tuple[mx.array, mx.array]:
    """One gate a channel of the key: the decay between two tokens is a number for each channel."""
    pairs = decayed_products(mx.stack([keys, queries]), mx.stack([keys, keys]), gates, (True, True))
    itself = (queries * keys).sum(axis=-1, keepdims=True)
    against_queries = pairs[1] + itself * mx.eye(keys.shape[-2])
    since, until = since_start(gates, -2), until_end(gates, -2)
    return _through(
        state,
        (pairs[0], against_queries),
        (keys * since, queries * since, keys * until),
        values,
        since[..., -1:, :].swapaxes(-1, -2),
        strengths[..., None],
    )


def _through(
    state: mx.array,
    products: tuple[mx.array, mx.array],
    decayed: tuple[mx.array, mx.array, mx.array],
    values: mx.array,
    kept: mx.array,
    strengths: mx.array,
) -> tuple[mx.array, mx.array]:
    """The chunks of a span one after the other.

    `products` (…, C, C): of keys with earlier keys, of queries with keys up to their own. `decayed` (…, C, Dk): keys and
    queries since the chunk's start, keys until its end. `kept` (…, 1 or Dk, 1) is the decay of a whole chunk.
    """
    against_keys, against_queries = products
    keys_since, queries_since, keys_until = decayed
    solved = inverse_of_unit_lower(against_keys * strengths)
    written = solved @ (values * strengths)
    erased = solved @ (keys_since * strengths)
    turned = keys_until.swapaxes(-1, -2)
    before: list[mx.array] = []
    changes: list[mx.array] = []
    for place in range(values.shape[2]):
        before.append(state)
        change = written[:, :, place] - erased[:, :, place] @ state
        changes.append(change)
        state = state * kept[:, :, place] + turned[:, :, place] @ change
    output = queries_since @ mx.stack(before, axis=2) + against_queries @ mx.stack(changes, axis=2)
    return state, output
