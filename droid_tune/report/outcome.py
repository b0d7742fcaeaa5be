"""What a run came to, in words: held-out rows before and after, what chance alone may do, and which answers to show."""

from __future__ import annotations

from itertools import chain, zip_longest

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.report.story import HeldOutValue, Story, Told

#: held-out prompts that are shown then and now
SHOWN_PROMPTS = 10


def value_words(story: Story, measured: HeldOutValue | None) -> str:
    """A held-out measure in its unit; `–` where there is none."""
    return words.metric(story.measure, measured.value if measured is not None else None)


def bounds_words(measured: HeldOutValue | None) -> str:
    """`81% to 92%`: what the value may truly be, at 95 %; nothing where it is no share that was counted."""
    if measured is None or measured.bounds is None:
        return ""
    return f"{words.share(measured.bounds[0])} to {words.share(measured.bounds[1])}"


def outcome_parts(story: Story) -> tuple[str, str, str]:
    """The sentence on before and after, in three: what stands before the value, the value, and what stands behind it."""
    before, after = story.before, story.after
    if after is None:
        again = "" if before is None else " again since it began"
        return f"It was not evaluated on held-out rows{again}.", "", ""
    sure = f" ({bounds_words(after)} with 95% confidence)" if after.bounds else ""
    came = f"from {value_words(story, before)} to " if before is not None else "to "
    behind = f"{sure}, over {words.count(after.rows, 'row')}, after step {after.step:,}. {certainty(before, after)}"
    return f"{describe(story.measure).label} came {came}", value_words(story, after), behind.rstrip()


def outcome(story: Story) -> str:
    """The same as one sentence."""
    return "".join(outcome_parts(story))


def certainty(before: HeldOutValue | None, after: HeldOutValue) -> str:
    """Whether the bounds of before and after leave each other room."""
    if before is None or before.bounds is None or after.bounds is None:
        return ""
    if after.bounds[0] > before.bounds[1]:
        return "That is more than chance."
    if after.bounds[1] < before.bounds[0]:
        return "It got worse, by more than chance."
    return "Their bounds overlap: it may be chance; more held-out rows would tell."


def telling(story: Story, most: int = SHOWN_PROMPTS) -> tuple[Told, ...]:
    """The answers that tell most: what was lost and what was won in turn, the largest changes first, then the others."""
    turns = chain.from_iterable(zip_longest(story.lost, story.won))
    return tuple([*(one for one in turns if one is not None), *story.same][:most])
