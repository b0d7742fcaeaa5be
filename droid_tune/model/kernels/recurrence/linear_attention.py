"""Linear attention with a decay a head, in chunks (Dao and Gu, state space duality, arXiv 2405.21060, section 6).

S_t = g_t S_(t-1) + k_t v_t^T,  o_t = S_t^T q_t, with a state S of (Dk, Dv): Mamba-2 (keys B, queries C, values dt x)
and lightning attention (a constant decay, arXiv 2401.04658).
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.model.kernels.recurrence.chunks import between, over_spans
from droid_tune.model.kernels.recurrence.triangular import decay_matrix, since_start, until_end


def decayed_attention(
    queries: mx.array, keys: mx.array, values: mx.array, log_decays: mx.array, state: mx.array
) -> tuple[mx.array, mx.array]:
    """The output (n, T, H, Dv) and the state after the last token, float32 as `state` (n, H, Dk, Dv).

    `queries`, `keys` (n, T, G, Dk), each for H / G heads; `values` (n, T, H, Dv); `log_decays` (n, T, H), at most 0.
    """
    wide = [one.astype(mx.float32) for one in (queries, keys, values, log_decays)]
    return over_spans(_span, state, wide)


def _span(
    state: mx.array, queries: mx.array, keys: mx.array, values: mx.array, gates: mx.array
) -> tuple[mx.array, mx.array]:
    heads = values.shape[1] // keys.shape[1]
    pairs = _for_heads(queries @ keys.swapaxes(-1, -2), heads) * decay_matrix(gates)
    until = until_end(gates, -1)[..., None]
    added = _for_heads(keys.swapaxes(-1, -2), heads) @ (values * until)
    since = since_start(gates, -1)[..., None]
    before, state = between(state, since[..., -1:, :], added)
    return state, pairs @ values + (_for_heads(queries, heads) @ before) * since


def _for_heads(groups: mx.array, heads: int) -> mx.array:
    """Each group once for every head of its own: (n, G, ...) to (n, G x heads, ...)."""
    return groups if heads == 1 else mx.repeat(groups, heads, axis=1)
