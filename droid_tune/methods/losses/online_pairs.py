"""Losses of two completions of one prompt, one of them preferred: Online DPO, XPO and Nash-MD.

Each loss is a mean over `pairs` of one optimizer step and a plain sum over rows, so micro-batches change no number.

Shapes: n prompts; sums over a completion's scored tokens (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.names import OnlinePairLoss

Floats = NDArray[np.floating[Any]]
Sums = dict[str, mx.array]


def preferred_first(
    scores: Floats, ended: NDArray[np.bool_], missing_eos_penalty: float | None
) -> tuple[NDArray[np.bool_], dict[str, float]]:
    """Of each prompt whether its first completion is chosen (n,), a tie included; and what is shown of the scores.

    `scores` (2n,): the first completions of all prompts, then the second; those that never `ended` lose the penalty.
    """
    judged = np.where(ended, scores, scores - (missing_eos_penalty or 0.0))
    first, second = np.split(judged, 2)
    metrics = {
        "objective/scores": float(judged.mean()),
        "objective/scores_margin": float(np.abs(first - second).mean()),
        "val/contain_eos_token": float(ended.mean()),
    }
    return first >= second, metrics


@dataclass(frozen=True)
class Explored:
    """A completion of each prompt: its log-probability under the policy and under the reference, summed (n,)."""

    policy: mx.array
    reference: mx.array

    @property
    def gained(self) -> mx.array:
        """How much likelier the policy finds it than the reference (n,)."""
        return self.policy - self.reference


def summed(values: mx.array, mask: mx.array) -> mx.array:
    """Sums (n,) over the scored tokens of (n, T); padding may hold anything."""
    return mx.where(mask > 0, values.astype(mx.float32), 0.0).sum(axis=1)


def preference_loss(
    first: Explored,
    second: Explored,
    first_chosen: mx.array,
    loss_type: OnlinePairLoss,
    beta: float,
    pairs: float,
) -> tuple[mx.array, Sums]:
    """Online DPO (arXiv 2402.04792): what is preferred of two fresh completions gains on the other; sums, not means.

    `first_chosen` (n,) booleans.
    """
    better, worse = _sorted(first, second, first_chosen)
    margin = better.gained - worse.gained
    own, other = beta * better.gained, beta * worse.gained
    sums = {
        "rewards/chosen": own.sum(),
        "rewards/rejected": other.sum(),
        "rewards/margins": (own - other).sum(),
        "rewards/accuracies": (margin > 0).astype(mx.float32).sum(),
        "logps/chosen": better.policy.sum(),
        "logps/rejected": worse.policy.sum(),
        "objective/kl": (first.gained + second.gained).sum() / 2,
        "objective/entropy": -(first.policy + second.policy).sum() / 2,
    }
    found = {name: mx.stop_gradient(value) for name, value in sums.items()}
    return pair_losses(margin, loss_type, beta).sum() / pairs, found


def xpo_loss(
    own: Explored,
    other: Explored,
    own_chosen: mx.array,
    loss_type: OnlinePairLoss,
    beta: float,
    alpha: float,
    pairs: float,
) -> tuple[mx.array, Sums]:
    """XPO (arXiv 2405.21046): DPO between the policy's completion and the reference's, and a bonus for exploring.

    The bonus is alpha x the policy's log-probability of the reference's completion, which is to fall.
    """
    loss, sums = preference_loss(own, other, own_chosen, loss_type, beta, pairs)
    optimism = alpha * other.policy.sum()
    shares = {"loss/dpo": loss * pairs, "loss/xpo": optimism}
    return loss + optimism / pairs, sums | {name: mx.stop_gradient(one) for name, one in shares.items()}


def nash_loss(
    logprobs: mx.array,
    reference: mx.array,
    mask: mx.array,
    preference: mx.array,
    beta: float,
    pairs: float,
) -> tuple[mx.array, Sums]:
    """Nash-MD (arXiv 2312.00886): the policy's completion is to be preferred to a mixture's, near the reference.

    Log-probabilities (n, T) of the policy's completions; `preference` (n,) how likely each beats the mixture's, 1/2 being
    the baseline. The KL term is a score function's: its gradient is that of KL(policy || reference).
    """
    own = mx.where(mask > 0, logprobs, 0.0)
    drift = mx.stop_gradient(own - mx.where(mask > 0, reference, 0.0))
    score = (preference - 0.5) * own.sum(axis=1)
    loss = (beta * (drift * own).sum(axis=1) - score).sum() / pairs
    return loss, {"loss/score": mx.stop_gradient(score.sum()), "loss/kl": drift.sum()}


def pair_losses(margin: mx.array, loss_type: OnlinePairLoss, beta: float) -> mx.array:
    """Loss of each pair (n,) by how much more the chosen one has gained than the other, in nats."""
    if loss_type == "sigmoid":
        return mx.logaddexp(mx.zeros_like(margin), -beta * margin)
    return (margin - 1.0 / (2.0 * beta)) ** 2


def _sorted(first: Explored, second: Explored, first_chosen: mx.array) -> tuple[Explored, Explored]:
    def pick(yes: Explored, no: Explored) -> Explored:
        return Explored(
            mx.where(first_chosen, yes.policy, no.policy), mx.where(first_chosen, yes.reference, no.reference)
        )

    return pick(first, second), pick(second, first)
