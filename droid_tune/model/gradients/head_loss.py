"""The loss of a micro-batch and its derivative by the hidden states, with the head outside the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from droid_tune.model.arrays import Indices, number
from droid_tune.model.gradients.head import Measure, Measuring, TokenScores, score_tokens
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.gradients.trainables import Trainables
from droid_tune.model.policy import Policy
from droid_tune.numerics import at_temperature, token_entropies, token_logprobs

#: (row_index (n,), logprobs (n, T), entropies (n, T) or None) -> (scalar, sums to report); additive over rows. Where a
#: measure is taken, its values (n, T) come fourth.
Loss = Callable[..., tuple[mx.array, dict[str, mx.array]]]


@dataclass(frozen=True)
class Slopes:
    """The derivative of a loss by each scored token's log-probability, entropy and measure (M,), where it has them."""

    logprob: mx.array
    entropy: mx.array | None = None
    measure: mx.array | None = None


def spread(values: mx.array, flat: mx.array, rows: int, length: int) -> mx.array:
    """Numbers (M,) of scored tokens at their flat positions in (rows, length), 0 elsewhere; differentiable."""
    return mx.zeros(rows * length).at[flat].add(values).reshape(rows, length)


class HeadLoss:
    """Evaluates `loss` micro-batch by micro-batch; `total` and `reports` add up."""

    def __init__(
        self,
        policy: Policy,
        length: int,
        loss: Loss,
        temperature: float,
        chunk: int,
        with_entropy: bool,
        entropy_gradient: bool,
        measure: Measure | None = None,
    ) -> None:
        self._length, self._loss, self._temperature = length, loss, temperature
        self._chunk, self._with_entropy = chunk, with_entropy
        self._entropy_gradient = with_entropy and entropy_gradient
        self._measure = measure
        self._head = head_for(policy.model, policy.architecture)
        self.trainables = Trainables(policy.model)
        self._parts = self.trainables.outside_layers() if policy.architecture.splits_head else []
        self.total = 0.0
        self.reports: list[dict[str, Any]] = []

    def gradient(
        self,
        hidden: mx.array,
        targets: mx.array,
        row_index: Indices,
        flat: Indices,
        gradients: list[mx.array],
    ) -> mx.array:
        """d loss / d hidden (M, D), float32, for the M scored tokens of rows `row_index` at flat positions in (n, T).

        What is trained in the head itself gets its gradient added to `gradients`.
        """
        measuring = self._measuring(row_index, flat)
        found = score_tokens(
            self._head,
            hidden,
            targets,
            temperature=self._temperature,
            chunk=self._chunk,
            with_entropy=self._with_entropy,
            with_gradients=True,
            entropy_gradients=self._entropy_gradient,
            measuring=measuring,
        )
        slopes = self._differentiate(found, row_index, mx.array(flat))
        if self._parts:
            self._add_head(hidden, targets, slopes, measuring, gradients)
        return (
            _chained(found.logprob_gradients, slopes.logprob, hidden)
            + _chained(found.entropy_gradients, slopes.entropy, hidden)
            + _chained(found.measure_gradients, slopes.measure, hidden)
        )

    def _measuring(self, row_index: Indices, flat: Indices) -> Measuring | None:
        if self._measure is None:
            return None
        return Measuring(self._measure, self._measure.places(row_index, flat, self._length))

    def _differentiate(self, found: TokenScores, row_index: Indices, flat: mx.array) -> Slopes:
        """The derivative of the loss by each scored token's log-probability, entropy and measure (M,)."""
        where = flat, len(row_index), self._length
        entropies = None if found.entropies is None else spread(found.entropies, *where)

        def of_tokens(values: dict[str, mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
            further = [values["measure"]] if "measure" in values else []
            return self._loss(row_index, values["logprob"], values.get("entropy", entropies), *further)

        inputs = {"logprob": spread(found.logprobs, *where)}
        if entropies is not None and self._entropy_gradient:
            inputs["entropy"] = entropies
        if found.measures is not None:
            inputs["measure"] = spread(found.measures, *where)
        (value, report), gradients = mx.value_and_grad(of_tokens)(inputs)
        mx.eval(value, report, gradients)
        self.total += number(value)
        self.reports.append(report)
        return Slopes(**{name: gradient.reshape(-1)[flat] for name, gradient in gradients.items()})

    def _add_head(
        self,
        hidden: mx.array,
        targets: mx.array,
        slopes: Slopes,
        measuring: Measuring | None,
        gradients: list[mx.array],
    ) -> None:
        """Once more through the head in chunks, now by its own weights."""
        trainables, indices = self.trainables, self._parts

        def weighted(parts: list[mx.array], span: slice) -> mx.array:
            arrays = list(trainables.arrays)
            for index, part in zip(indices, parts, strict=True):
                arrays[index] = part
            logits = trainables.call(arrays, lambda: self._head(hidden[span]))
            total = (token_logprobs(logits, targets[span], self._temperature) * slopes.logprob[span]).sum()
            if slopes.entropy is not None:
                total = total + (token_entropies(logits, self._temperature) * slopes.entropy[span]).sum()
            if slopes.measure is not None and measuring is not None:
                scaled = at_temperature(logits, self._temperature)
                own = measuring.measure.measured(mx.stop_gradient(scaled), measuring.places[span])[1]
                total = total + (scaled * mx.stop_gradient(own * slopes.measure[span][:, None])).sum()
            return total

        for start in range(0, hidden.shape[0], self._chunk):
            parts = [trainables.arrays[index] for index in indices]
            found = mx.grad(weighted)(parts, slice(start, start + self._chunk))
            for index, gradient in zip(indices, found, strict=True):
                gradients[index] = gradients[index] + gradient
            mx.eval([gradients[index] for index in indices])


def _chained(inner: mx.array | None, outer: mx.array | None, hidden: mx.array) -> mx.array:
    """Each token's derivative (M, D) times the loss's by that token (M,); nothing where there is none."""
    if inner is None or outer is None:
        return mx.zeros((1, hidden.shape[-1]))
    return inner.astype(mx.float32) * outer[:, None]
