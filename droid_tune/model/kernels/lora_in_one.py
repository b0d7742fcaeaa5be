"""A LoRA layer of float32 weights as one product of many tokens: with the weights and the adapter's share in one matrix.

mlx-lm multiplies by the weights and by both factors, scales, and adds, each as wide as the layer's output. Here the sum of
the matrices is made anew in each pass, forth and back, and kept by none: that pays as soon as the tokens outnumber the rows
and columns of the matrix. Narrower weights cannot hold what an adapter adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import mlx.core as mx


def takes(layer: Any, inputs: mx.array) -> bool:
    """Whether `layer` (mlx-lm's LoRALinear) is of float32 weights without dropout, and `inputs` (..., I) are many enough."""
    weight = layer.linear.weight
    if any(array.dtype != mx.float32 for array in (weight, inputs, layer.lora_a, layer.lora_b)):
        return False
    if layer.training and layer.dropout._p_1 < 1:  # the share that stays
        return False
    outward, inward = weight.shape
    return inputs.size // inward * (inward + outward) >= 2 * inward * outward


def lora_in_one(theirs: Callable[..., mx.array], layer: Any, inputs: mx.array) -> mx.array:
    """What `theirs` (mlx-lm's own method) makes of `inputs` (..., I), with the gradient by them and by both factors."""
    if not takes(layer, inputs):
        return theirs(layer, inputs)
    joined = _Joined(layer.linear.weight, layer.scale)
    product = cast("Any", mx.custom_function(joined.forward))
    product.vjp(joined.backward)
    outputs = cast("mx.array", product(inputs, layer.lora_a, layer.lora_b))
    return outputs + layer.linear.bias if "bias" in layer.linear else outputs


class _Joined:
    """Both directions of inputs (W + scale (a b)^T)^T, for frozen weights W (O, I), a (I, r) and b (r, O)."""

    def __init__(self, weight: mx.array, scale: float) -> None:
        self._weight, self._scale = weight, scale

    def forward(self, inputs: mx.array, a: mx.array, b: mx.array) -> mx.array:
        """The layer's output (..., O), without its bias."""
        return inputs @ mx.addmm(self._weight.T, self._scale * a, b)

    def backward(
        self, primals: Sequence[mx.array], gradient: mx.array, _: mx.array
    ) -> tuple[mx.array, mx.array, mx.array]:
        """The gradient by inputs, a and b."""
        inputs, a, b = primals
        scaled = self._scale * b
        tokens, slopes = inputs.reshape(-1, inputs.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        by_inputs = gradient @ mx.addmm(self._weight, scaled.T, a.T)
        return by_inputs, tokens.T @ (slopes @ scaled.T), self._scale * ((tokens @ a).T @ slopes)
