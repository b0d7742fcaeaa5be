"""What is tried on a row: its answer, another row's, nothing, one that was cut off, what a run once wrote, and given texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.answers import right_answers
from droid_tune.data.templates import prompt_text
from droid_tune.trial_report import Source, Try

#: as models put an answer; a reward that wants one of these forms gives a bare answer nothing, right or wrong
FORMS = ("{}", "<answer>{}</answer>", "\\boxed{{{}}}", "#### {}", "<answer>\\boxed{{{}}}</answer>")
BARE = FORMS[0]
#: words of an answer from which on it is cut in its middle; a shorter one is cut off before it is said
_LONG_ANSWER = 8
_BEFORE_THE_ANSWER = "Let me think about this step by step. The answer is"


@dataclass(frozen=True)
class Menu:
    """What is tried besides the row's answers. `saved` has completions of an earlier run by the prompt's text."""

    given: Sequence[str] = ()
    saved: Mapping[str, str] = field(default_factory=dict[str, str])
    #: whether an empty completion and one that was cut off are tried, as no answer of a row is
    broken: bool = True


def tries_of(number: int, rows: Sequence[Row], menu: Menu, form: str = BARE) -> list[Try]:
    """What is tried on one row, its answers in a form."""
    prompt = prompt_text(rows[number])
    completions: list[tuple[Source, str]] = []
    own = answer_in(rows[number])
    others = (answer_in(row) for row in [*rows[number + 1 :], *rows[:number]])
    other = next((answer for answer in others if answer not in ("", own)), "")
    if own:
        completions.append(("own answer", form.format(own)))
    if other:
        completions.append(("another row's answer", form.format(other)))
    if menu.broken:
        completions.append(("empty", ""))
        completions.append(("cut off", cut_off(own)))
    if prompt in menu.saved:
        completions.append(("saved rollout", menu.saved[prompt]))
    completions.extend(("given", text) for text in menu.given)
    return [Try(number, source, prompt, text) for source, text in completions]


def cut_off(answer: str) -> str:
    """A completion that ended at the limit before its answer was whole."""
    said = answer.split()
    return " ".join(said[: len(said) // 2]) if len(said) >= _LONG_ANSWER else _BEFORE_THE_ANSWER


def answer_in(row: Row) -> str:
    """A completion that is right for the row: its answer, the first one of several; empty where it has none."""
    return next(iter(right_answers(row.get("answer")) or ()), "")
