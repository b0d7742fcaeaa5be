"""The chunked recurrences with the signatures of mlx-lm's functions, which they take as their first argument.

A single token goes mlx-lm's own way, a step being nothing to split. What a mask hides, or what lies behind a row's
length, leaves the state as it is; its output is without meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.kernels.recurrence.gated_delta import gated_delta
from droid_tune.model.kernels.recurrence.linear_attention import decayed_attention
from droid_tune.model.kernels.recurrence.rwkv7 import generalised_delta

#: the function or method of mlx-lm's that is stood in for: (output, state) of its arguments
Theirs = Callable[..., tuple[mx.array, mx.array]]
#: the least decay that a logarithm is taken of
LEAST_DECAY = 1e-30


def gated_delta_update(
    theirs: Theirs,
    q: mx.array,
    k: mx.array,
    v: mx.array,
    a: mx.array,
    b: mx.array,
    a_log: mx.array,
    dt_bias: mx.array,
    state: mx.array | None = None,
    mask: mx.array | None = None,
    *,
    use_kernel: bool = True,
    lower_bound: float | None = None,
    allow_neg_eigval: bool = False,
) -> tuple[mx.array, mx.array]:
    """As `mlx_lm.models.gated_delta.gated_delta_update`: q, k (n, T, G, Dk), v (n, T, H, Dv), state (n, H, Dv, Dk)."""
    if q.shape[1] == 1:
        return theirs(
            q, k, v, a, b, a_log, dt_bias, state, mask,
            use_kernel=use_kernel, lower_bound=lower_bound, allow_neg_eigval=allow_neg_eigval,
        )  # fmt: skip
    strengths = mx.sigmoid(b) * (2.0 if allow_neg_eigval else 1.0)
    log_gates = _log_gates(a, a_log, dt_bias, lower_bound)
    if mask is not None:
        strengths = mx.where(mask[..., None], strengths, 0)
        log_gates = mx.where(mask.reshape(*mask.shape, *[1] * (log_gates.ndim - 2)), log_gates, 0)
    heads = v.shape[2] // q.shape[2]
    queries, keys = (mx.repeat(one, heads, axis=2) if heads > 1 else one for one in (q, k))
    output, after = gated_delta(queries, keys, v, log_gates, strengths, _turned(state, keys, v))
    return output.astype(q.dtype), after.swapaxes(-1, -2)


def _log_gates(a: mx.array, a_log: mx.array, dt_bias: mx.array, lower_bound: float | None) -> mx.array:
    """log g of Gated DeltaNet (equation 5 of its reference code), or of Kimi's bounded form; float32."""
    rate = mx.exp(a_log.astype(mx.float32))
    if lower_bound is None:
        return -rate * nn.softplus((a + dt_bias).astype(mx.float32))
    return lower_bound * mx.sigmoid(rate * (a.astype(mx.float32) + dt_bias))


def _turned(state: mx.array | None, keys: mx.array, values: mx.array) -> mx.array:
    """A state (n, H, Dv, Dk) as (n, H, Dk, Dv) in float32; zeros where there is none."""
    if state is not None:
        return state.swapaxes(-1, -2).astype(mx.float32)
    return mx.zeros((keys.shape[0], values.shape[2], keys.shape[3], values.shape[3]))


def ssm_update(
    theirs: Theirs,
    hidden_states: mx.array,
    a_log: mx.array,
    inputs: mx.array,
    outputs: mx.array,
    skip: mx.array,
    dt: mx.array,
    dt_bias: mx.array,
    state: mx.array | None = None,
    time_step_limit: tuple[float, float] = (0.001, 100.0),
    mask: mx.array | None = None,
    lengths: mx.array | None = None,
) -> tuple[mx.array, mx.array]:
    """As `mlx_lm.models.ssm.ssm_update`: x (n, T, H, Dh), B and C (n, T, G, Ds), dt (n, T, H), state (n, H, Dh, Ds)."""
    steps = hidden_states.shape[1]
    if steps == 1:
        return theirs(
            hidden_states, a_log, inputs, outputs, skip, dt, dt_bias, state, time_step_limit, mask, lengths
        )
    times = mx.clip(nn.softplus(dt.astype(mx.float32) + dt_bias), *time_step_limit)
    visible = _visible(mask, lengths, steps)
    if visible is not None:
        times = mx.where(visible[..., None], times, 0)
    log_decays = -mx.exp(a_log.astype(mx.float32)) * times
    values = hidden_states * times[..., None]
    output, after = decayed_attention(
        outputs, inputs, values, log_decays, _turned(state, inputs, hidden_states)
    )
    output = output + hidden_states * skip[:, None]
    return output.astype(hidden_states.dtype), after.swapaxes(-1, -2)


def _visible(mask: mx.array | None, lengths: mx.array | None, steps: int) -> mx.array | None:
    """(n, T), True where a token counts; None where all do."""
    if lengths is None:
        return mask
    within = mx.arange(steps)[None] < lengths[:, None]
    return within if mask is None else mask & within


def recurrent_gla(
    theirs: Theirs,
    q: mx.array,
    k: mx.array,
    v: mx.array,
    g: mx.array,
    scale: float,
    h: mx.array | None = None,
    mask: mx.array | None = None,
) -> tuple[mx.array, mx.array]:
    """As the function of that name in mlx-lm's bailing files: q, k, v (n, H, T, D), g (H,) log decays, h (n, H, K, V)."""
    if q.shape[2] == 1:
        masked = {} if mask is None else {"mask": mask}
        return theirs(q, k, v, g, scale=scale, h=h, **masked)
    queries, keys, values = (one.swapaxes(1, 2) for one in (q * scale, k, v))
    decays = mx.broadcast_to(g.astype(mx.float32), values.shape[:3])
    if mask is not None:
        decays = mx.where(mask[..., None], decays, 0)
        keys = mx.where(mask[..., None, None], keys, 0)
    before = mx.zeros((q.shape[0], q.shape[1], k.shape[3], v.shape[3])) if h is None else h.astype(mx.float32)
    output, after = decayed_attention(queries, keys, values, decays, before)
    return output.swapaxes(1, 2).astype(q.dtype), after


def wkv7(
    theirs: Theirs,
    layer: Any,
    r: mx.array,
    w: mx.array,
    k: mx.array,
    v: mx.array,
    a: mx.array,
    b: mx.array,
    state: mx.array | None,
) -> tuple[mx.array, mx.array]:
    """As `Rwkv7TimeMixing._wkv7`, a method of `layer`: all (n, T, H, D), w the decays, state (n, H, Dv, Dk)."""
    if r.shape[1] == 1:
        return theirs(layer, r, w, k, v, a, b, state)
    log_decays = mx.log(mx.maximum(w.astype(mx.float32), LEAST_DECAY))
    output, after = generalised_delta(r, log_decays, k, v, a, b, _turned(state, k, v))
    return output.astype(r.dtype)[..., None], after.swapaxes(-1, -2)
