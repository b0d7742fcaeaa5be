"""What the tries say of a reward, in words: whether it can tell right from wrong, and what else it would teach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from droid_tune import words
from droid_tune.trial_report import Level, Source, Try, Verdict

_GRAVITY: tuple[Level, ...] = ("bad", "weak", "unknown", "good")
_NO_ANSWERS = (
    "The rows have no answers to try, so whether it can tell right from wrong is not known: "
    "give completions of your own."
)
#: the kinds of completions, as more than one
_ALL_OF: dict[str, str] = {
    "own answer": "the rows' own answers",
    "another row's answer": "other rows' answers",
    "saved rollout": "of the past run",
    "given": "given ones",
}


class VerdictSentence(NamedTuple):
    """One sentence of a verdict, and how grave it is."""

    level: Level
    text: str


class OwnAgainst(NamedTuple):
    """A row's own answer against another completion to the row: in how many rows that one earns less, as much, more.

    `values` are the rewards of the others where they are not less.
    """

    less: int
    equal: int
    more: int
    values: frozenset[float]

    @property
    def rows(self) -> int:
        """In how many rows both were judged."""
        return self.less + self.equal + self.more

    @property
    def not_less(self) -> int:
        """In how many rows the own answer gained nothing."""
        return self.equal + self.more

    def times(self, count: int) -> str:
        """`3 of 8 times`."""
        return f"{count:,} of {words.count(self.rows, 'time')}"

    def gift(self, to: str) -> str:
        """`gives 1 to an empty completion`, where it is one value."""
        if len(self.values) == 1:
            return f"gives {next(iter(self.values)):g} to {to}"
        return f"gives {to} as much as the row's own answer"


def verdict_on(tries: Sequence[Try]) -> Verdict:
    """The verdict on all tries, the gravest sentence first."""
    found = sorted(findings_on(tries), key=lambda one: _GRAVITY.index(one.level))
    return Verdict(found[0].level, [one.text for one in found])


def findings_on(tries: Sequence[Try]) -> list[VerdictSentence]:
    """At least one."""
    found = _failures(tries)
    values = {one.reward for one in tries if one.reward is not None}
    if not values:
        silent = VerdictSentence("bad", "No reward applied to any completion: nothing could be learnt.")
        return found or [silent if tries else VerdictSentence("unknown", _NO_ANSWERS)]
    if len(values) == 1 and len(tries) > 1:
        same = f"Every completion got {next(iter(values)):g}: from equal rewards nothing can be learnt."
        return [*found, VerdictSentence("bad", same)]
    return [*found, _on_other_answers(tries), *_on_nothing(tries), *_on_the_cut(tries)]


def can_tell(tries: Sequence[Try]) -> bool:
    """Whether any row's own answer earned another reward than the other row's; True where there is nothing to compare."""
    found = compared(tries, "another row's answer")
    return found.rows == 0 or found.equal < found.rows


def compared(tries: Sequence[Try], source: Source) -> OwnAgainst:
    """The rows' own answers against completions of one kind."""
    own = {one.row: one.reward for one in tries if one.source == "own answer" and one.reward is not None}
    pairs = [
        (own[one.row], one.reward)
        for one in tries
        if one.source == source and one.reward is not None and one.row in own
    ]
    return OwnAgainst(
        less=sum(other < mine for mine, other in pairs),
        equal=sum(other == mine for mine, other in pairs),
        more=sum(other > mine for mine, other in pairs),
        values=frozenset(other for mine, other in pairs if other >= mine),
    )


def _failures(tries: Sequence[Try]) -> list[VerdictSentence]:
    failed = [one for one in tries if one.failures]
    if not failed:
        return []
    kind, *others = list(dict.fromkeys(one.source for one in failed))
    only = f", all of them {_ALL_OF.get(kind, kind)}" if not others and len(failed) < len(tries) else ""
    said = f"The reward failed on {len(failed)} of {words.count(len(tries), 'completion')}{only}."
    return [VerdictSentence("bad" if 2 * len(failed) > len(tries) else "weak", said)]


def _on_other_answers(tries: Sequence[Try]) -> VerdictSentence:
    found = compared(tries, "another row's answer")
    if not found.rows:
        return VerdictSentence("unknown", _NO_ANSWERS)
    if not found.not_less:
        return VerdictSentence(
            "good", f"It gives the row's own answer more than another row's {found.times(found.less)}."
        )
    gift = found.gift("another row's answer")
    if found.equal == found.rows:
        same = ", as to the row's own" if len(found.values) == 1 else ""
        return VerdictSentence(
            "bad", f"It {gift} {found.times(found.equal)}{same}: it cannot tell right from wrong."
        )
    if found.more > found.less:
        said = f"It gives another row's answer more than the row's own {found.times(found.more)}"
        return VerdictSentence("bad", f"{said}: it may be upside down.")
    said = f"It {gift} {found.times(found.not_less)}, which is not less than the row's own answer gets"
    return VerdictSentence("weak", f"{said}: it cannot always tell right from wrong.")


def _on_nothing(tries: Sequence[Try]) -> list[VerdictSentence]:
    found = compared(tries, "empty")
    if not found.not_less:
        return []
    said = f"It {found.gift('an empty completion')} {found.times(found.not_less)}: to say nothing would pay."
    return [VerdictSentence("bad" if found.not_less == found.rows else "weak", said)]


def _on_the_cut(tries: Sequence[Try]) -> list[VerdictSentence]:
    found = compared(tries, "cut off")
    if not found.not_less:
        return []
    gift = found.gift("a completion that was cut off before its answer")
    return [VerdictSentence("weak", f"It {gift} {found.times(found.not_less)}: to go on and on would pay.")]
