"""Part of the credit for each format tag that is right: a stair to climb before the whole form is learnt."""

from __future__ import annotations

from collections.abc import Sequence

from droid_tune.config.rewards import PartialFormatReward
from droid_tune.errors import UserError
from droid_tune.rewards.base import EachReward, Sample
from droid_tune.rewards.thoughts import with_opening


def partial_format_reward(config: PartialFormatReward) -> EachReward:
    """A tag that the prompt has opened counts as the completion's own."""
    if not config.tags:
        raise UserError(
            "The reward `partial_format` has no tags", place="rewards", remedy="name one, such as answer"
        )
    marks = [mark for tag in config.tags for mark in (f"<{tag}>", f"</{tag}>")]

    def judge(sample: Sample) -> float:
        return share_in_order(with_opening(sample.completion, sample.thoughts_opened), marks)

    count = len(marks)
    return EachReward(judge, why=lambda _, value: f"{round(value * count)} of {count} marks in order")


def share_in_order(text: str, marks: Sequence[str]) -> float:
    """The share of marks that stand exactly once and after every mark credited before them."""
    credited, end = 0, 0
    for mark in marks:
        position = text.find(mark)
        if position >= end and text.count(mark) == 1:
            credited += 1
            end = position + len(mark)
    return credited / len(marks)
