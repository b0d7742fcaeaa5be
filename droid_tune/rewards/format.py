"""1 where the completion has the wanted form, else 0."""

from __future__ import annotations

import regex

from droid_tune.config.rewards import FormatReward
from droid_tune.rewards.base import EachReward, RewardError, Sample
from droid_tune.rewards.thoughts import with_opening

#: some patterns take exponential time on some texts; no completion may hold up the run
_SECONDS = 2.0

#: what is drawn as nothing: spaces, controls, and letters of no width or without ink (U+2800 is Braille's empty cell)
_NOTHING = r"[\s\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]*"
_ANSWER = rf"(?:(?!</?think>).)*</think>\s*<answer>(?!{_NOTHING}</answer>)(?:(?!</?answer>).)*</answer>\s*"
#: thoughts (they may be empty), then an answer that says something, and nothing else around them
THINK_ANSWER = rf"\s*<think>{_ANSWER}"
#: the same where nobody said how the prompt ended: the template may have opened <think> already
MAYBE_OPENED = rf"\s*(?:<think>)?{_ANSWER}"


def format_reward(config: FormatReward) -> EachReward:
    """An empty pattern asks for `<think>...</think><answer>...</answer>` and nothing around it.

    A tag that the prompt has opened belongs to what is matched: a pattern may name it or leave it out.
    """
    strict, lenient = (
        regex.compile(config.pattern or own, regex.DOTALL) for own in (THINK_ANSWER, MAYBE_OPENED)
    )
    whole = config.full_match or not config.pattern

    def judge(sample: Sample) -> float:
        pattern = strict if sample.prompt_ends else lenient
        find = pattern.fullmatch if whole else pattern.search
        try:
            return float(any(find(text, timeout=_SECONDS) for text in readings(sample, config)))
        except TimeoutError:
            raise RewardError(f"the pattern took longer than {_SECONDS:g} s: {config.pattern}") from None

    found = "the pattern was found" if config.pattern else "thoughts and answer as asked for"
    missed = "pattern not found" if config.pattern else "not <think> ... </think><answer> ... </answer>"
    return EachReward(judge, why=lambda _, value: found if value else missed)


def readings(sample: Sample, config: FormatReward) -> set[str]:
    """The completion behind the tag that its prompt opened; for a pattern of the user's as it was written, too."""
    opened = with_opening(sample.completion, sample.thoughts_opened)
    return {opened, sample.completion} if config.pattern else {opened}
