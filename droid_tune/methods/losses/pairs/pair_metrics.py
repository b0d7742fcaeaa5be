"""What preference losses report, under TRL's names: sums per micro-batch, put together at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.methods.losses.terms import only

Sums = dict[str, mx.array]
Totals = Mapping[str, mx.array | float]
#: what is no sum: the least and the greatest of all parts
_EXTREMES: dict[str, Callable[[Iterable[float]], float]] = {"rewards/min": min, "rewards/max": max}
#: what each sum is divided by: a count among the sums
_PER_PAIR, _PER_TOKEN, _PER_LIKELIHOOD = "pairs", "scored_tokens", "likelihood_tokens"
_COUNTED = {"entropy": _PER_TOKEN, "nll_loss": _PER_LIKELIHOOD}
_COUNTS = (_PER_PAIR, _PER_TOKEN, _PER_LIKELIHOOD, "desirable", "undesirable")


def pair_sums(
    *,
    rewards: tuple[mx.array, mx.array],
    logprobs: tuple[mx.array, mx.array],
    sides: tuple[PairSide, PairSide],
) -> Sums:
    """Of n pairs: implicit rewards and log-probabilities (n,) of both sides, and the entropies of all tokens."""
    sums: Sums = {
        **reward_sums(*rewards),
        "logps/chosen": logprobs[0].sum(),
        "logps/rejected": logprobs[1].sum(),
        **entropy_sums(*sides),
    }
    return {name: mx.stop_gradient(value) for name, value in sums.items()}


def reward_sums(chosen: mx.array, rejected: mx.array) -> Sums:
    """Of n pairs: how many there are, and the rewards (n,) of both sides, compared."""
    return {
        "pairs": mx.array(float(chosen.shape[0])),
        "rewards/chosen": chosen.sum(),
        "rewards/rejected": rejected.sum(),
        "rewards/accuracies": (chosen > rejected).astype(mx.float32).sum(),
        "rewards/margins": (chosen - rejected).sum(),
    }


def entropy_sums(*sides: PairSide) -> Sums:
    """Of every scored token of some sides; {} where no entropies are known."""
    known = [side for side in sides if side.entropies is not None]
    if not known:
        return {}
    total, count = mx.array(0.0), mx.array(0.0)
    for side in known:
        assert side.entropies is not None
        total = total + only(side.mask > 0, side.entropies).sum()
        count = count + (side.mask > 0).sum().astype(mx.float32)
    return {"entropy": mx.stop_gradient(total), "scored_tokens": count}


def likelihood_sums(negative: mx.array) -> Sums:
    """Of a likelihood term: negative log-probabilities of answers (n,)."""
    return {"nll_loss": mx.stop_gradient(negative.sum())}


def verdict_sums(rewards: mx.array, logprobs: mx.array, desirable: mx.array) -> Sums:
    """Of n rows with a verdict: rewards and log-probabilities (n,), apart for desirable rows (1) and others (0)."""
    good, bad = desirable, 1.0 - desirable
    sums: Sums = {
        "desirable": good.sum(),
        "undesirable": bad.sum(),
        "rewards/chosen": (rewards * good).sum(),
        "rewards/rejected": (rewards * bad).sum(),
        "logps/chosen": (logprobs * good).sum(),
        "logps/rejected": (logprobs * bad).sum(),
    }
    return {name: mx.stop_gradient(value) for name, value in sums.items()}


def added(parts: Sequence[Totals]) -> dict[str, float]:
    """The sums of several micro-batches as one; a part may lack some."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: _EXTREMES.get(name, math.fsum)([float(part[name]) for part in parts if name in part])
        for name in names
    }


def finish_pair_metrics(parts: Sequence[Totals], likelihood_tokens: float = 0.0) -> dict[str, float]:
    """TRL's metrics of a batch of pairs from the sums of its micro-batches."""
    sums = added(parts) | {_PER_LIKELIHOOD: likelihood_tokens}
    return {
        name: value if name in _EXTREMES else value / max(sums.get(_COUNTED.get(name, _PER_PAIR), 0.0), 1.0)
        for name, value in sums.items()
        if name not in _COUNTS
    }


def finish_verdict_metrics(parts: Sequence[Totals]) -> dict[str, float]:
    """The same of rows with verdicts: a kind of row that the batch has none of is not reported, nor is a margin then."""
    sums = added(parts)
    metrics: dict[str, float] = {}
    for kind, side in (("desirable", "chosen"), ("undesirable", "rejected")):
        if sums.get(kind, 0.0):
            metrics |= {f"{of}/{side}": sums[f"{of}/{side}"] / sums[kind] for of in ("rewards", "logps")}
    if "rewards/chosen" in metrics and "rewards/rejected" in metrics:
        metrics["rewards/margins"] = metrics["rewards/chosen"] - metrics["rewards/rejected"]
    if sums.get(_PER_TOKEN, 0.0):
        metrics["entropy"] = sums["entropy"] / sums[_PER_TOKEN]
    return metrics
