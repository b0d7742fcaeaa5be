"""Whether a reward orders completions as `accuracy` does: pair by pair, since only differences within a group teach."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from droid_tune.config.rewards import AccuracyReward
from droid_tune.metrics import is_right
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.trial_report import Agreement


def right_by_accuracy(samples: Sequence[Sample]) -> list[bool | None]:
    """What `accuracy` says of each by equal values, as where held-out answers are counted; None without an answer."""
    found = map(number_of, Accuracy(AccuracyReward(math=False)).score(samples))
    return [None if one is None else is_right(one, {}) for one in found]


def agreement_in(completions: Iterable[tuple[bool | None, float | None]]) -> Agreement:
    """All pairs of a right and a wrong one among the (right, reward) of completions to one prompt."""
    told = [(right, reward) for right, reward in completions if right is not None and reward is not None]
    wrong = sorted(reward for right, reward in told if not right)
    found = Agreement()
    for reward in (reward for right, reward in told if right):
        below, upto = bisect_left(wrong, reward), bisect_right(wrong, reward)
        found += Agreement(below, upto - below, len(wrong) - upto)
    return found
