"""1 where the completion has the wanted form, else 0."""

from __future__ import annotations

import re

from droid_tune.config.rewards import FormatReward
from droid_tune.rewards.base import EachReward, Sample

#: thoughts, then the answer, and nothing else around them; the template may have opened <think> already
THINK_ANSWER = r"\s*(?:<think>)?(?:(?!</?think>).)*</think>\s*<answer>(?:(?!</?answer>).)*</answer>\s*"


def format_reward(config: FormatReward) -> EachReward:
    """An empty pattern asks for `<think>...</think><answer>...</answer>` and nothing around it."""
    pattern = re.compile(config.pattern or THINK_ANSWER, re.DOTALL)
    find = pattern.fullmatch if config.full_match or not config.pattern else pattern.search

    def judge(sample: Sample) -> float:
        return float(find(sample.completion) is not None)

    return EachReward(judge)
