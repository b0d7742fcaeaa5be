"""A penalty for saying the same thing again."""

from __future__ import annotations

from droid_tune.config.rewards import RepetitionReward
from droid_tune.rewards.base import EachReward, Sample
from droid_tune.rewards.word_split import words
from droid_tune.words import share


def repetition_reward(config: RepetitionReward) -> EachReward:
    """0 for text without repeated n-grams, towards -1 as they repeat."""

    def judge(sample: Sample) -> float:
        return -repeated_share(sample.completion, config.ngram)

    return EachReward(
        judge, why=lambda _, value: f"{share(-value)} of the sequences of {config.ngram} words come again"
    )


def repeated_share(text: str, n: int) -> float:
    """The share of n-word sequences that occurred before (0 to just under 1); 0 for a text too short for two."""
    said = words(text)
    sequences = [tuple(said[start : start + n]) for start in range(len(said) - n + 1)]
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
