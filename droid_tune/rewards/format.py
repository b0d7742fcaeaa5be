"""1 where the completion has the wanted form, else 0."""

from __future__ import annotations

import regex

from droid_tune.config.rewards import FormatReward
from droid_tune.rewards.base import EachReward, RewardError, Sample

#: some patterns take exponential time on some texts; no completion may hold up the run
_SECONDS = 2.0

#: thoughts, then the answer, and nothing else around them; the template may have opened <think> already
THINK_ANSWER = r"\s*(?:<think>)?(?:(?!</?think>).)*</think>\s*<answer>(?:(?!</?answer>).)*</answer>\s*"


def format_reward(config: FormatReward) -> EachReward:
    """An empty pattern asks for `<think>...</think><answer>...</answer>` and nothing around it."""
    pattern = regex.compile(config.pattern or THINK_ANSWER, regex.DOTALL)
    find = pattern.fullmatch if config.full_match or not config.pattern else pattern.search

    def judge(sample: Sample) -> float:
        try:
            return float(find(sample.completion, timeout=_SECONDS) is not None)
        except TimeoutError:
            raise RewardError(f"the pattern took longer than {_SECONDS:g} s: {config.pattern}") from None

    return EachReward(judge)
