"""Rewards for length: near a target, or clear of the limit."""

from __future__ import annotations

from droid_tune.config.rewards import LengthReward
from droid_tune.errors import UserError
from droid_tune.methods.overlong import soft_overlong_reward
from droid_tune.rewards.base import EachReward, Graded, Sample


def length_reward(config: LengthReward, max_completion_length: int) -> EachReward:
    """Closeness to the target (0 to 1) plus the overlong punishment (-1 to 0), each where it is set. Lengths in tokens."""
    target, margin = config.target, config.overlong_cache
    if target is None and margin is None:
        raise UserError(
            "The reward `length` has neither a target length nor an overlong margin",
            place="rewards",
            remedy="set `target` or `overlong_cache`",
        )
    if margin is not None and margin > max_completion_length:
        raise UserError(
            f"The reward `length` has an overlong margin of {margin} tokens, more than the longest completion "
            f"({max_completion_length})",
            place="rewards",
            remedy="make `overlong_cache` smaller",
        )

    def judge(sample: Sample) -> float | Graded:
        parts: dict[str, float] = {}
        if target is not None:
            parts["target"] = closeness(sample.length, target)
        if margin is not None:
            parts["overlong"] = soft_overlong_reward(sample.length, max_completion_length, margin)
        value = sum(parts.values())
        return Graded(value, parts) if len(parts) > 1 else value

    def why(sample: Sample, _: float) -> str:
        aim = f"of {target:,}" if target is not None else f"of at most {max_completion_length:,}"
        return f"{sample.length:,} {aim} tokens"

    return EachReward(judge, why=why)


def closeness(length: int, target: int) -> float:
    """1 at the target, falling in a line to 0 at no tokens and at twice as many."""
    return max(0.0, 1.0 - abs(length - target) / target)
