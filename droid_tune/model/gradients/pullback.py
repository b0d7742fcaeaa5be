"""Run a function now, pull its gradient later, without running it twice.

The loss needs the forward pass's results before its gradient is known, and the head in between must run outside the
graph to stay small. So the backward graph is built at once, with *placeholder* cotangents: arrays whose contents are
written in place once they are known, before the graph that reads them is evaluated. Evaluating the results first lets
MLX drop every intermediate that the backward pass does not read. Where memory counts more than time nothing is held
and the function runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx
import numpy as np

from droid_tune.model.arrays import host_view

Arrays = list[mx.array]


class Pullback:
    """Results of `function(primals)`, evaluated, and their gradient by every primal on demand."""

    def __init__(
        self, function: Callable[[Arrays], Arrays], primals: Sequence[mx.array], *, hold: bool
    ) -> None:
        self._function = function
        self._primals = list(primals)
        self._placeholders: Arrays = []
        self._gradients: Arrays | None = None
        if hold:
            self.results = self._held()
        else:
            self.results = [mx.stop_gradient(result) for result in function(self._primals)]
        mx.eval(self.results)

    def _held(self) -> Arrays:
        def weighted(primals: Arrays) -> tuple[mx.array, Arrays]:
            results = self._function(primals)
            self._placeholders = [mx.array(np.zeros(result.shape, np.float32)) for result in results]
            total = mx.array(0.0)
            for result, placeholder in zip(results, self._placeholders, strict=True):
                total = total + (result.astype(mx.float32) * placeholder).sum()
            return total, results

        (_, results), self._gradients = mx.value_and_grad(weighted)(self._primals)
        return results

    def _spread(self, *primals: mx.array) -> Arrays:
        return self._function(list(primals))

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        """The gradient by each primal of sum(results * cotangents); lazy. Can be called once."""
        if self._gradients is None:
            given = [c.astype(r.dtype) for c, r in zip(cotangents, self.results, strict=True)]
            return mx.vjp(self._spread, self._primals, given)[1]
        for placeholder, cotangent in zip(self._placeholders, cotangents, strict=True):
            write(placeholder, cotangent)
        gradients, self._gradients, self.results = self._gradients, None, []
        return gradients


def write(placeholder: mx.array, values: mx.array) -> None:
    """Overwrite an evaluated float32 array in place, where every graph that reads it will see the new contents."""
    mx.eval(placeholder)
    host_view(placeholder)[...] = host_view(values.astype(mx.float32))
