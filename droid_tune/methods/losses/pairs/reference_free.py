"""What the losses without a reference model share: a margin between two answers, and the likelihood of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, likelihood_sums, pair_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, smoothed

#: `target`: the margin should pass `gamma` / `beta` (SimPO's, TPO-L's)
MarginLoss = Literal["sigmoid", "target", "hinge", "ipo"]


@dataclass(frozen=True)
class ReferenceFree:
    """A loss of margins, and the weight of the likelihood beside it. `alpha` shapes the rewards (AlphaPO), 0: off."""

    margin: MarginLoss
    beta: float
    gamma: float
    label_smoothing: float
    likelihood: float
    alpha: float = 0.0

    def loss(
        self, batch: PairBatch, chosen: PairSide, rejected: PairSide, likely: PairSide
    ) -> tuple[mx.array, Sums]:
        """These pairs' share of the batch's loss, and sums to report; `likely` is what becomes likelier."""
        per_token = self.margin in ("ipo", "target")
        logprobs = (chosen.means, rejected.means) if per_token else (chosen.sums, rejected.sums)
        values = [shaped(one, self.alpha) for one in logprobs]
        total = self._each(values[0] - values[1]).sum() / max(batch.pairs, 1.0)
        negative = -likely.sums if self.likelihood else mx.zeros_like(likely.sums)
        total = total + self.likelihood * negative.sum() / max(batch.likelihood_tokens, 1.0)
        rewards = (self.beta * values[0], self.beta * values[1])
        sums = pair_sums(rewards=rewards, logprobs=logprobs, sides=(chosen, rejected))
        return total, sums | likelihood_sums(negative)

    def _each(self, margin: mx.array) -> mx.array:
        """The loss of each pair (n,) from the margin of its values."""
        match self.margin:
            case "target":
                return smoothed(self.beta * (margin - self.gamma / self.beta), self.label_smoothing)
            case "hinge":
                return mx.maximum(1.0 - self.beta * margin, 0.0)
            case "ipo":
                return mx.square(margin - 1.0 / (2.0 * self.beta))
            case _:
                return smoothed(self.beta * margin, self.label_smoothing)


def shaped(logprobs: mx.array, alpha: float) -> mx.array:
    """AlphaPO's reward of an answer, (1 - p^-alpha) / alpha, whose limit at 0 is log p: (n,)."""
    return logprobs if alpha == 0 else -mx.expm1(-alpha * logprobs) / alpha
