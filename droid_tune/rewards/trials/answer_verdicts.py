"""What a run's rewards say of answers that were just given, and whether each is right where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.config import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import prompt_text
from droid_tune.rewards.base import Sample
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.trials.agreement import right_by_accuracy
from droid_tune.rewards.trials.trial import or_none, why_of
from droid_tune.trial_report import AnswerVerdict


@dataclass(frozen=True)
class GivenAnswer:
    """An answer as the rewards see it; `prompt_ends` as in `data.rendering.Prompt.ends`."""

    text: str
    tokens: int
    finish_reason: str
    prompt_ends: str = ""


def verdicts_on(
    config: RunConfig, row: Row, answers: Sequence[GivenAnswer], watch: Watch = UNWATCHED
) -> list[AnswerVerdict]:
    """One for each answer to a row. A run that samples no answers has no rewards: then right or wrong alone is told.

    Raises UserError where a reward cannot be made, and `Stopped`.
    """
    prompt = prompt_text(row)
    samples = [
        Sample(prompt, one.text, row, one.tokens, one.finish_reason, one.prompt_ends) for one in answers
    ]
    right = right_by_accuracy(samples)
    if not config.samples or not config.rewards:
        return [AnswerVerdict(right=one) for one in right]
    longest = config.sampling.max_completion_length
    with build_rewards(config.rewards, max_completion_length=longest, tolerant=True, watch=watch) as rewards:
        scores = rewards.score(
            [prompt] * len(answers),
            [one.text for one in answers],
            [row] * len(answers),
            [one.tokens for one in answers],
            [one.finish_reason for one in answers],
            [one.prompt_ends for one in answers],
            seed=0,
        )
    return [
        AnswerVerdict(
            or_none(scores.totals[place]),
            {name: or_none(values[place]) for name, values in scores.parts.items()},
            right[place],
            why_of(scores, place),
        )
        for place in range(len(answers))
    ]
