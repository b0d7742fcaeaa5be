"""A penalty for saying the same thing again."""

from __future__ import annotations

from droid_tune.config.rewards import RepetitionReward
from droid_tune.rewards.base import EachReward, Sample
from droid_tune.word_split import repeated_share
from droid_tune.words import share


def repetition_reward(config: RepetitionReward) -> EachReward:
    """0 for text without repeated n-grams, towards -1 as they repeat."""

    def judge(sample: Sample) -> float:
        return -repeated_share(sample.completion, config.ngram)

    return EachReward(
        judge, why=lambda _, value: f"{share(-value)} of the sequences of {config.ngram} words come again"
    )
