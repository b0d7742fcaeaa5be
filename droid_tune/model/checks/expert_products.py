"""The products of a layer of experts (mixture of experts), as a device does them and as they are.

As `mlx_lm.models.switch_layers` calls them: each row has the expert that it was sent to, and many rows come sorted by it,
which is another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from droid_tune.model.checks.mismatch import (
    TOLERANCE,
    Doubles,
    Mismatch,
    compared,
    doubles,
    random_values,
    rounded,
    usual_size,
)

#: `x W_e^T`, or (not transposed) `g W_e`: layer, rows, the expert of each row, transposed
ExpertProduct = Callable[[Any, mx.array, mx.array, bool], mx.array]

#: experts of a layer that rows are sent to, the last among them
TRIED = 8
#: outputs of each expert that are compared
SAMPLED = 64
#: from so many rows on they come sorted by expert, as `SwitchGLU` sorts them
SORTED_FROM = 64


def expert_product(layer: Any, x: mx.array, experts: mx.array, transposed: bool) -> mx.array:
    """(rows, out), or where not `transposed` (rows, in), without a bias; `experts` (rows,) are in order from SORTED_FROM on."""
    in_order = x.shape[0] >= SORTED_FROM
    if "scales" not in layer:
        weight = layer.weight.swapaxes(-1, -2) if transposed else layer.weight
        found = mx.gather_mm(x[:, None], weight, rhs_indices=experts, sorted_indices=in_order)
    else:
        found = mx.gather_qmm(
            x[:, None],
            layer.weight,
            layer.scales,
            layer.get("biases"),
            rhs_indices=experts,
            transpose=transposed,
            group_size=layer.group_size,
            bits=layer.bits,
            mode=layer.mode,
            sorted_indices=in_order,
        )
    return found[:, 0]


def expert_mismatches(
    name: str, layer: Any, rows: int, dtype: mx.Dtype, product: ExpertProduct, dice: np.random.Generator
) -> Iterator[Mismatch | None]:
    """Forward and backward, with `rows` rows that are sent to a few of the experts."""
    count, outputs = layer.weight.shape[:2]
    tried = np.unique([*dice.choice(count, min(TRIED, count), replace=False)[1:], count - 1])
    chosen = np.sort(dice.choice(outputs, min(SAMPLED, outputs), replace=False))
    weights = _weights_of(layer, tried, chosen)  # (tried, sampled, in)
    picks = dice.integers(len(tried), size=rows)
    picks = np.sort(picks) if rows >= SORTED_FROM else picks
    experts, size = mx.array(tried[picks].astype(np.uint32)), weights.shape[-1]
    what = f"{name} ({rows} x {size} by {outputs} of {count} experts, {str(dtype).rpartition('.')[2]})"
    x, wide = random_values(dice, (rows, size), dtype)
    found = doubles(product(layer, x, experts, True))[:, chosen]
    expected, usual = _by_expert(wide, weights.swapaxes(-1, -2), picks)
    yield compared(f"{what} forward", found, expected, usual, TOLERANCE[dtype])
    gradient = np.zeros((rows, outputs))
    gradient[:, chosen] = dice.standard_normal((rows, len(chosen)))
    g, wide = rounded(gradient, dtype)
    found = doubles(product(layer, g, experts, False))
    expected, usual = _by_expert(wide[:, chosen], weights, picks)
    yield compared(f"{what} backward", found, expected, usual, TOLERANCE[dtype])


def _by_expert(x: Doubles, weights: Doubles, picks: npt.NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Each row of `x` (rows, k) by the matrix (k, m) that it was sent to, and the usual size of such numbers."""
    found = np.empty((len(x), weights.shape[-1]))
    usual = np.empty_like(found)
    for place, weight in enumerate(weights):
        here = picks == place
        found[here] = x[here] @ weight
        usual[here] = usual_size(x[here], weight.T)
    return found, usual


def _weights_of(layer: Any, tried: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> Doubles:
    """Some rows of some experts (tried, sampled, in), unpacked on the CPU where they are quantised."""
    outputs = layer.weight.shape[1]
    flat = mx.array((tried[:, None] * outputs + chosen).reshape(-1))
    taken = {
        key: mx.take(layer[key].reshape(-1, layer[key].shape[-1]), flat, axis=0, stream=mx.cpu)
        for key in ("weight", "scales", "biases")
        if layer.get(key) is not None
    }
    rows = unpacked_rows(layer, taken)
    return rows.reshape(len(tried), len(chosen), -1)


def unpacked_rows(layer: Any, taken: dict[str, mx.array]) -> Doubles:
    """Rows of a layer's weight (n, in) from the rows `taken` of what it is packed as."""
    if "scales" not in taken:
        return doubles(taken["weight"])
    return doubles(
        mx.dequantize(
            taken["weight"],
            taken["scales"],
            taken.get("biases"),
            group_size=layer.group_size,
            bits=layer.bits,
            mode=getattr(layer, "mode", "affine"),
            stream=mx.cpu,
        )
    )
