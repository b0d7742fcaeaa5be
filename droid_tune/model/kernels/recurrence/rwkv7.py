"""The generalised delta rule of RWKV-7 in chunks (Peng et al., arXiv 2503.14456, equation 17).

S_t = diag(w_t) S_(t-1) + b_t (a_t^T S_(t-1)) + k_t v_t^T,  o_t = S_t^T r_t, with a state S of (Dk, Dv). With
u_t = a_t^T S_(t-1) the state is a decayed sum of b_t u_t^T and k_t v_t^T, and the u of a chunk solve one triangular
system.
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.model.kernels.recurrence.chunks import over_spans
from droid_tune.model.kernels.recurrence.triangular import (
    decay,
    decayed_products,
    inverse_of_unit_lower,
    since_start,
    until_end,
)


def generalised_delta(
    receptances: mx.array,
    log_decays: mx.array,
    keys: mx.array,
    values: mx.array,
    removals: mx.array,
    replacements: mx.array,
    state: mx.array,
) -> tuple[mx.array, mx.array]:
    """The output (n, T, H, Dv) and the state after the last token, float32 as `state` (n, H, Dk, Dv).

    `receptances` r, `log_decays` log w (at most 0), `keys` k, `removals` a, `replacements` b are (n, T, H, Dk),
    `values` v (n, T, H, Dv).
    """
    wide = [one.astype(mx.float32) for one in (receptances, log_decays, keys, values, removals, replacements)]
    return over_spans(_span, state, wide)


def _span(
    state: mx.array,
    receptances: mx.array,
    gates: mx.array,
    keys: mx.array,
    values: mx.array,
    removals: mx.array,
    replacements: mx.array,
) -> tuple[mx.array, mx.array]:
    # what the removals and the receptances ask of the replacements and of the keys, in this order
    asking = mx.stack([removals, removals, receptances, receptances])
    telling = mx.stack([replacements, keys])
    pairs = decayed_products(asking, mx.concatenate([telling, telling]), gates, (False, False, True, True))
    read = pairs[2:] + _own(receptances, telling)
    solved = inverse_of_unit_lower(-pairs[0])
    return _through(
        state,
        (solved @ (pairs[1] @ values), solved @ (removals * since_start(gates, -2, inclusive=False))),
        (receptances * since_start(gates, -2), read),
        (replacements, keys, values),
        gates,
    )


def _own(receptances: mx.array, telling: mx.array) -> mx.array:
    """What each token reads of itself, on the diagonal: (2, ..., C, C)."""
    return (receptances * telling).sum(axis=-1, keepdims=True) * mx.eye(receptances.shape[-2])


def _through(
    state: mx.array,
    solved: tuple[mx.array, mx.array],
    reading: tuple[mx.array, mx.array],
    writing: tuple[mx.array, mx.array, mx.array],
    gates: mx.array,
) -> tuple[mx.array, mx.array]:
    """The chunks of a span one after the other; `solved`: u without the state, and how it depends on the state."""
    alone, on_state = solved
    until, kept = until_end(gates, -2), decay(gates.sum(axis=-2, keepdims=True)).swapaxes(-1, -2)
    replacements, keys, values = writing
    replaced = (replacements * until).swapaxes(-1, -2)
    added = (keys * until).swapaxes(-1, -2) @ values
    before: list[mx.array] = []
    changes: list[mx.array] = []
    for place in range(values.shape[2]):
        before.append(state)
        change = alone[:, :, place] + on_state[:, :, place] @ state
        changes.append(change)
        state = state * kept[:, :, place] + replaced[:, :, place] @ change + added[:, :, place]
    since, (by_change, by_value) = reading[0], (reading[1][0], reading[1][1])
    output = since @ mx.stack(before, axis=2) + by_change @ mx.stack(changes, axis=2) + by_value @ values
    return state, output
