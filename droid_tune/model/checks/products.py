"""The chip's truth: before a run the model's own products are done on its device and again on the CPU, and must agree.

Matrix units of new chips have returned wrong numbers in silence, and a run on them teaches noise. Each kind of linear
layer, those of experts too, is tried by its shape and type, forward and backward, with few and many rows; then attention.
The reference is NumPy's, in double precision, of a sample of each layer's outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt

from droid_tune.errors import UserError
from droid_tune.model.adapters import SWITCH
from droid_tune.model.arrays import EMBEDDING
from droid_tune.model.checks.expert_products import (
    ExpertProduct,
    expert_mismatches,
    expert_product,
    unpacked_rows,
)
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
from droid_tune.model.policy import Policy

#: seconds that the whole check may take
MOST_SECONDS = 2.0
#: rows of an input: one as in decoding, a tile and a bit, many as in training
ROWS = (1, 33, 256)
SAMPLED = 64
#: layers of fewer weights are tried with few rows, and once in a process
SMALL = 2**20
LARGEST_OUTPUT = 2**24  # numbers
LAYERS = (nn.Linear, nn.QuantizedLinear, *SWITCH, *EMBEDDING)


@dataclass(frozen=True)
class Device:
    """The two products of a layer, as the run does them: `x W^T` and `g W`. Tests put a faulty one in its place."""

    product: Callable[[Any, mx.array, bool], mx.array]
    experts: ExpertProduct = expert_product
    attention: Callable[..., mx.array] = mx.fast.scaled_dot_product_attention


def layer_product(layer: Any, x: mx.array, transposed: bool) -> mx.array:
    """`x W^T` (`transposed`), or `x W`, without a bias. `x` is (rows, in) or (rows, out)."""
    if "scales" not in layer:
        return x @ (layer.weight.T if transposed else layer.weight)
    return mx.quantized_matmul(
        x,
        layer.weight,
        scales=layer.scales,
        biases=layer.get("biases"),
        transpose=transposed,
        group_size=layer.group_size,
        bits=layer.bits,
        mode=getattr(layer, "mode", "affine"),
    )


DEVICE = Device(layer_product)


def check_products(policy: Policy, device: Device = DEVICE, seconds: float = MOST_SECONDS) -> None:
    """Raises UserError with the figures where the device's numbers are not those of the CPU."""
    end = time.monotonic() + seconds
    for mismatch in mismatches(policy, device):
        if mismatch is not None:
            raise UserError(
                f"This computer's {mx.default_device()} multiplies wrongly: {mismatch.sentence()}",
                remedy="restart it and update macOS; a run on such numbers would learn noise "
                "(`training.check_products` switches this check off)",
            )
        if time.monotonic() > end:
            return


def mismatches(policy: Policy, device: Device) -> Iterator[Mismatch | None]:
    """One result for each product, the largest layers first."""
    dice = np.random.default_rng(0)  # never the run's own
    for name, layer in kinds_of_layers(policy.model):
        small = layer.weight.size < SMALL
        if small and device is DEVICE and kind_of(layer) in _TRIED:
            continue
        _TRIED.add(kind_of(layer))
        dtype = _dtype_of(layer, otherwise=_dtype(policy.model))
        if isinstance(layer, SWITCH):
            if layer.get("global_scale") is not None:  # every expert's own: only its products know it
                continue
            for rows in ROWS:
                yield from expert_mismatches(name, layer, rows, dtype, device.experts, dice)
            continue
        for rows in ROWS[:2] if small else ROWS:
            yield from _layer_mismatches(name, layer, rows, dtype, device, dice)
    if (heads := heads_of(policy.config)) is not None:
        yield _attention_mismatch(*heads, _dtype(policy.model), device, dice)


def kinds_of_layers(model: nn.Module) -> list[tuple[str, Any]]:
    """One layer of each shape and type, by name, the largest first."""
    found: dict[tuple[object, ...], tuple[str, Any]] = {}
    modules: Any = model.named_modules()
    for name, layer in modules:
        if isinstance(layer, LAYERS):
            found.setdefault(kind_of(layer), (name, layer))
    return sorted(found.values(), key=_size, reverse=True)


def kind_of(layer: Any) -> tuple[object, ...]:
    """What decides which kernel multiplies: shape, type, and how it is quantised."""
    packed = (layer.bits, layer.group_size, layer.scales.dtype) if "scales" in layer else ()
    return (tuple(layer.weight.shape), layer.weight.dtype, *packed)


_TRIED: set[tuple[object, ...]] = set()


def _size(named: tuple[str, Any]) -> int:
    return int(named[1].weight.size)


def _layer_mismatches(
    name: str, layer: Any, rows: int, dtype: mx.Dtype, device: Device, dice: np.random.Generator
) -> Iterator[Mismatch | None]:
    outputs = layer.weight.shape[0]
    rows = max(1, min(rows, LARGEST_OUTPUT // outputs))
    chosen = np.sort(dice.choice(outputs, min(SAMPLED, outputs), replace=False))
    weight = _rows_of(layer, chosen)  # (sampled, in)
    what = f"{name} ({rows} x {weight.shape[1]} by {outputs}, {str(dtype).rpartition('.')[2]})"
    x, x_doubles = random_values(dice, (rows, weight.shape[1]), dtype)
    forward = doubles(device.product(layer, x, True))[:, chosen]
    yield compared(
        f"{what} forward", forward, x_doubles @ weight.T, usual_size(x_doubles, weight), TOLERANCE[dtype]
    )
    gradient = np.zeros((rows, outputs))
    gradient[:, chosen] = dice.standard_normal((rows, len(chosen)))
    g, g_doubles = rounded(gradient, dtype)
    backward = doubles(device.product(layer, g, False))
    usual = usual_size(g_doubles[:, chosen], weight.T)
    yield compared(f"{what} backward", backward, g_doubles[:, chosen] @ weight, usual, TOLERANCE[dtype])


def _rows_of(layer: Any, chosen: npt.NDArray[np.int64]) -> Doubles:
    """Some rows of a layer's weight (sampled, in), unpacked on the CPU where they are quantised."""
    picked = mx.array(chosen)
    take = {
        key: mx.take(layer[key], picked, axis=0, stream=mx.cpu)
        for key in ("weight", "scales", "biases")
        if key in layer
    }
    return unpacked_rows(layer, take)


def _attention_mismatch(
    heads: int, kv_heads: int, size: int, dtype: mx.Dtype, device: Device, dice: np.random.Generator
) -> Mismatch | None:
    """Causal attention over 64 positions."""
    length = 64
    (q, qd), (k, kd), (v, vd) = (
        random_values(dice, (1, count, length, size), dtype) for count in (heads, kv_heads, kv_heads)
    )
    found = doubles(device.attention(q, k, v, scale=size**-0.5, mask="causal"))
    kd, vd = (np.repeat(one, heads // kv_heads, axis=1) for one in (kd, vd))
    scores = qd @ kd.swapaxes(-1, -2) * size**-0.5
    scores = np.where(np.tril(np.ones((length, length), dtype=bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    expected = (shares / shares.sum(-1, keepdims=True)) @ vd
    what = f"attention ({heads} heads of {size}, {str(dtype).rpartition('.')[2]})"
    return compared(what, found, expected, np.ones_like(expected), TOLERANCE[dtype])


def heads_of(config: dict[str, Any]) -> tuple[int, int, int] | None:
    """`(query heads, key heads, numbers of each)` where the config says so in the usual words."""
    heads, hidden = config.get("num_attention_heads"), config.get("hidden_size")
    if not isinstance(heads, int) or not isinstance(hidden, int) or heads < 1:
        return None
    kv_heads, size = config.get("num_key_value_heads") or heads, config.get("head_dim") or hidden // heads
    if not isinstance(kv_heads, int) or not isinstance(size, int) or kv_heads < 1 or heads % kv_heads:
        return None
    return heads, kv_heads, size


def _dtype_of(layer: Any, otherwise: mx.Dtype) -> mx.Dtype:
    """The type of a layer's inputs; where its scales are of no such type (mxfp4) that of the model."""
    found = layer.scales.dtype if "scales" in layer else layer.weight.dtype
    return found if found in TOLERANCE else otherwise


def _dtype(model: nn.Module) -> mx.Dtype:
    """The type that the model computes in."""
    norms = (module.weight.dtype for _, module in model.named_modules() if isinstance(module, nn.RMSNorm))
    found = next(norms, mx.float32)
    return found if found in TOLERANCE else mx.float32
