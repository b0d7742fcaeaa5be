"""Muon (Jordan et al., 2024: kellerjordan.github.io/posts/muon) for what MLX's own does not fit: factors and experts.

Its update is a nearly orthogonal matrix, scaled by sqrt(rows / columns) where there are more rows. For LoRA's factors
that scale is one of the factor, not of the layer, and moved `lora_a` (1024 x 8) eleven times further than `lora_b`;
here both move alike. A stack of experts is a stack of matrices, each made orthogonal by itself.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

#: the quintic iteration of the post
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class MatrixMuon(optim.Muon):
    """MLX's Muon over matrices and stacks of them; `aspect` scales by the shape, which is right for whole layers."""

    def __init__(self, learning_rate: float, momentum: float, weight_decay: float, *, aspect: bool) -> None:
        super().__init__(learning_rate, momentum=momentum, weight_decay=weight_decay)
        self._aspect = aspect

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """The parameter after one step; `parameter` is (rows, columns) or (experts, rows, columns)."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        state["v"] = velocity = self.momentum * state["v"] + (1 - self.momentum) * gradient
        ahead = (1 - self.momentum) * gradient + self.momentum * velocity  # Nesterov's
        rows, columns = parameter.shape[-2:]
        scale = max(1.0, rows / columns) ** 0.5 if self._aspect else 1.0
        return parameter - self.learning_rate.astype(gradient.dtype) * scale * orthogonal(
            ahead, self.ns_steps
        )


def orthogonal(matrices: mx.array, steps: int = 5) -> mx.array:
    """The nearest (semi-)orthogonal matrix of each (..., rows, columns), by Newton and Schulz's iteration."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.swapaxes(-1, -2) if tall else matrices
    x = x / (mx.linalg.norm(x, axis=[-2, -1], keepdims=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.swapaxes(-1, -2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.swapaxes(-1, -2) if tall else x
