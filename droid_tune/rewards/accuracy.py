"""1 where the completion's answer is one of the row's answers, else 0: text, then number, then mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune import words
from droid_tune.config.rewards import AccuracyReward, Extraction
from droid_tune.control import UNWATCHED, Watch
from droid_tune.rewards.answers.bare_text import laid_bare
from droid_tune.rewards.answers.choices import chosen_letters, says_another, text_of_choice, wanted_letters
from droid_tune.rewards.answers.equality import pairs_for_mathematics, quick_verdict
from droid_tune.rewards.answers.extraction import answers_of, reference_of
from droid_tune.rewards.answers.mathematics import Mathematician
from droid_tune.rewards.answers.retractions import behind_retraction
from droid_tune.rewards.answers.texts import normalised
from droid_tune.rewards.base import (
    NEVER_ENDED,
    Failed,
    Graded,
    Outcome,
    Reward,
    RewardError,
    Sample,
    reference_texts,
)

_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Comparison:
    """What was read in a completion, and whether it is right: `open` pairs only mathematics can compare."""

    said: str
    right: bool
    open: tuple[tuple[str, str], ...] = ()


class Accuracy(Reward):
    """Not applicable (None) to a row without `answer`; of a list of answers each is right."""

    needs = ("answer",)

    def __init__(self, config: AccuracyReward, watch: Watch = UNWATCHED) -> None:
        self._extraction: Extraction = config.extraction
        self._mathematician = Mathematician(watch=watch) if config.math else None

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        return [self._outcome(sample) for sample in samples]

    def _outcome(self, sample: Sample) -> Outcome:
        try:
            wanted = reference_texts(sample.row)
        except RewardError as error:
            return error.failed
        if not wanted:
            return None
        spoken = sample.spoken
        if spoken is None:
            return Graded(0.0, why=NEVER_ENDED)
        references = [reference_of(text, self._extraction) for text in wanted]
        comparisons = [self._compare(spoken, one, sample.finish_reason == "length") for one in references]
        return self._verdict(comparisons, " or ".join(references), sample)

    def _compare(self, spoken: str, reference: str, cut_off: bool) -> Comparison:
        """What a completion says of one reference."""
        spoken = laid_bare(spoken) if self._extraction == "auto" else spoken
        letters = wanted_letters(reference)
        if letters is not None and self._extraction == "auto":
            spoken = behind_retraction(spoken)
        answers = answers_of(spoken, self._extraction, reference, cut_off=cut_off)
        if letters is None:
            return compared(answers, reference)
        of_marks = cut_off or self._extraction != "auto"
        chosen = chosen_letters("".join(answers[:1]) if of_marks else spoken)
        if chosen is not None:
            right = chosen == letters and not any(says_another(spoken, one, reference) for one in chosen)
            return Comparison(", ".join(sorted(chosen)), right)
        meant = text_of_choice(reference)
        if meant is not None:
            return compared(answers, meant)
        right = any(normalised(answer) == normalised(reference) for answer in answers)
        return Comparison(reference if right else "", right)

    def _verdict(self, comparisons: Sequence[Comparison], expected: str, sample: Sample) -> Outcome:
        right = next((one for one in comparisons if one.right), None)
        failed: Failed | None = None
        for one in () if right else comparisons:
            for verdict in self._ask(one.open):
                failed = verdict if isinstance(verdict, Failed) else failed
                right = one if verdict == 1.0 else right
        if right is None and failed is not None:
            return failed
        return graded(right or comparisons[0], expected, right is not None, sample)

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
        return [] if self._mathematician is None else self._mathematician.equal(pairs)

    def end_now(self) -> None:
        if self._mathematician is not None:
            self._mathematician.end_now()

    def close(self) -> None:
        if self._mathematician is not None:
            self._mathematician.close()


def compared(answers: Sequence[str], reference: str) -> Comparison:
    """Whether one of the readings of an answer is the reference, or mathematics must say so."""
    said = answers[0] if answers else ""
    if any(quick_verdict(answer, reference) for answer in answers):
        return Comparison(said, right=True)
    pairs = [pair for answer in answers for pair in pairs_for_mathematics(answer, reference)]
    return Comparison(said, right=False, open=tuple(pairs))


def graded(comparison: Comparison, expected: str, right: bool, sample: Sample) -> Graded:
    """The number with its reason."""
    said, wanted = words.shortened(comparison.said, _LONGEST_SHOWN), words.shortened(expected, _LONGEST_SHOWN)
    if right:
        return Graded(1.0, why=f"answer read: {said}")
    if said:
        return Graded(0.0, why=f"answer read: {said}, expected {wanted}")
    cut = "; it was cut off" if sample.finish_reason == "length" else ""
    return Graded(0.0, why=f"no answer found{cut}, expected {wanted}")
