"""1 where the completion's answer is the row's answer, else 0: text, then number, then mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.config.rewards import AccuracyReward, Extraction
from droid_tune.rewards.base import NEVER_ENDED, Graded, Outcome, Reward, RewardError, Sample, reference_text
from droid_tune.rewards.equality import quick_verdict
from droid_tune.rewards.extraction import answer_of, reference_of
from droid_tune.rewards.mathematics import Mathematician


@dataclass(frozen=True)
class Question:
    """Two expressions that only mathematics can compare."""

    answer: str
    reference: str


class Accuracy(Reward):
    """Not applicable (None) to a row without `answer`."""

    needs = ("answer",)

    def __init__(self, config: AccuracyReward) -> None:
        self._extraction: Extraction = config.extraction
        self._mathematician = Mathematician() if config.math else None

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        verdicts = [self._verdict(sample) for sample in samples]
        open_questions = [verdict for verdict in verdicts if isinstance(verdict, Question)]
        answers = iter(self._ask(open_questions))
        return [next(answers) if isinstance(verdict, Question) else verdict for verdict in verdicts]

    def _verdict(self, sample: Sample) -> Outcome | Question:
        try:
            wanted = reference_text(sample.row)
        except RewardError as error:
            return error.failed
        if wanted is None:
            return None
        reference = reference_of(wanted, self._extraction)
        if sample.spoken is None:
            return Graded(0.0, why=NEVER_ENDED)
        answer = answer_of(sample.spoken, self._extraction, reference)
        if answer is None:
            return 0.0
        verdict = quick_verdict(answer, reference)
        return Question(answer, reference) if verdict is None else float(verdict)

    def _ask(self, questions: Sequence[Question]) -> list[Outcome]:
        if self._mathematician is None:
            return [0.0] * len(questions)
        return self._mathematician.equal([(one.answer, one.reference) for one in questions])

    def close(self) -> None:
        if self._mathematician is not None:
            self._mathematician.close()
