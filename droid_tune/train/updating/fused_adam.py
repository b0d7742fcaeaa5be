"""AdamW that moves each small weight by three kernels: MLX's own is a dozen operations a weight, and an adapter has many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

#: numbers of a weight that is moved so: what is compiled takes no array's memory over, so that a large weight, its moments and
#: its gradient would stand beside what becomes of them
MOST_NUMBERS = 2**15

Moved = tuple[mx.array, mx.array, mx.array]


class FusedAdam(optim.AdamW):
    """AdamW with bias correction (Loshchilov and Hutter, arXiv 1711.05101); Adam where `weight_decay` is 0. The numbers and
    the state are those of `mlx.optimizers.AdamW`, which moves the large weights."""

    def __init__(self, learning_rate: float, betas: Sequence[float], weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate, betas=list(betas), weight_decay=weight_decay, bias_correction=True)
        self._moving = mx.compile(_mover(betas[0], betas[1], self.eps, weight_decay), shapeless=True)
        self._rates: tuple[mx.array, ...] = ()
        self._rates_of: tuple[Any, Any] = (None, None)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, mx.array]) -> mx.array:
        """The weight after this step; its moments are kept in `state`."""
        if parameter.size > MOST_NUMBERS:
            return super().apply_single(gradient, parameter, state)
        found: Moved = self._moving(gradient, parameter, state["m"], state["v"], *self._step_rates())
        parameter, state["m"], state["v"] = found
        return parameter

    def _step_rates(self) -> tuple[mx.array, ...]:
        """The learning rate, and what corrects the moments in the step that is taken: once for all weights."""
        now = self.learning_rate, self.step
        if self._rates_of[0] is not now[0] or self._rates_of[1] is not now[1]:
            rate, (first, second) = self.learning_rate.astype(mx.float32), self.betas
            self._rates = rate, rate / (1 - first**self.step), mx.rsqrt(1 - second**self.step)
            self._rates_of = now
        return self._rates


def _mover(first: float, second: float, eps: float, decay: float) -> Callable[..., Moved]:
    """What moves a weight, the mean of its gradients and of their squares, of any one shape."""

    def moved(
        gradient: mx.array,
        weight: mx.array,
        mean: mx.array,
        square: mx.array,
        rate: mx.array,
        corrected: mx.array,
        widened: mx.array,
    ) -> Moved:
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * mx.square(gradient)
        kept = weight * (1 - rate * decay) if decay else weight
        return kept - corrected * mean / (mx.sqrt(square) * widened + eps), mean, square

    return moved
