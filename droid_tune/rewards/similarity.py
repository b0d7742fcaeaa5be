"""Overlap with the reference answer: ROUGE-L (Lin 2004) or token F1 (as in SQuAD), over words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from droid_tune.config.rewards import SimilarityReward
from droid_tune.rewards.base import EachReward, Sample, reference_texts
from droid_tune.word_split import words


def similarity_reward(config: SimilarityReward) -> EachReward:
    """0 to 1; thoughts are left out, of several right answers the nearest counts. Not applicable to a row without `answer`."""
    common = longest_common_subsequence if config.measure == "rouge_l" else shared_words

    def judge(sample: Sample) -> float | None:
        references = reference_texts(sample.row)
        spoken = words(sample.spoken or "")
        scores = (
            f_measure(common(spoken, wanted), len(spoken), len(wanted)) for wanted in map(words, references)
        )
        return max(scores, default=None)

    name = "ROUGE-L" if config.measure == "rouge_l" else "token F1"
    return EachReward(judge, needs=("answer",), why=lambda _, value: f"{name} {value:.2f}")


def longest_common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Words in the same order in both, not necessarily side by side."""
    return LCSseq.similarity(left, right)


def shared_words(left: Sequence[str], right: Sequence[str]) -> int:
    """Words in both, in any order, as often as both have them."""
    return (Counter(left) & Counter(right)).total()


def f_measure(common: int, spoken: int, wanted: int) -> float:
    """Harmonic mean of common/spoken and common/wanted; 0 where nothing is common."""
    return 2 * common / (spoken + wanted) if common else 0.0
