"""What the run's model and the written one said, side by side: numbers, and what of them is a fault."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from droid_tune import words
from droid_tune.bounds import wilson
from droid_tune.export.checking.exam import Exam, Sitting

T = TypeVar("T")

#: of greedy tokens that must be equal where the precision is the same, and how far the accuracy may be off
EQUAL_SHARE, ACCURACY_POINTS = 0.99, 0.01


@dataclass(frozen=True)
class CountedShare:
    """So many of so many rows, with the bounds between which the share lies at 95 %."""

    right: float
    rows: int

    @property
    def share(self) -> float:
        """Of 1; 0 where nothing was asked."""
        return self.right / self.rows if self.rows else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        return wilson(self.share, self.rows)

    def __str__(self) -> str:
        least, most = self.bounds
        return f"{words.share(self.share)} ({words.share(least)} to {words.share(most)})"


@dataclass(frozen=True)
class Judged:
    """How many answers are right, of the run's model and of the written one; None where the rows have no answers."""

    here: CountedShare | None
    there: CountedShare | None


@dataclass(frozen=True)
class Compared:
    """The written model beside the run's own on `rows` rows. Log-losses are nats per token of the run's own answers."""

    opened_by: str
    rows: int
    held_out: bool
    same_precision: bool
    tokens: int
    equal_tokens: int
    accuracy: Judged
    nll_here: float | None
    nll_there: float | None
    faults: tuple[str, ...] = ()

    @property
    def equal_share(self) -> float:
        """Of greedy tokens; 1 where there were none."""
        return self.equal_tokens / self.tokens if self.tokens else 1.0

    @property
    def nll_difference(self) -> float | None:
        """How much less likely the written model finds the run's answers; None where it tells no probabilities."""
        if self.nll_here is None or self.nll_there is None:
            return None
        return self.nll_there - self.nll_here

    @property
    def sentences(self) -> list[str]:
        """For a person."""
        rows = words.count(self.rows, "held-out row" if self.held_out else "prompt")
        said = [
            f"Opened by {self.opened_by} on {rows}: {words.share(self.equal_share, 1)} of {self.tokens:,} greedy "
            "tokens are the run's own."
        ]
        if self.accuracy.here is not None and self.accuracy.there is not None:
            said.append(f"Held-out accuracy: {self.accuracy.there} there, {self.accuracy.here} here.")
        if (difference := self.nll_difference) is not None:
            said.append(f"NLL of the run's answers: {round(difference, 4) + 0.0:+.4f} nats per token.")
        return said

    def to_json(self) -> dict[str, Any]:
        """For `--json` and the model card."""
        values = asdict(self) | {"equal_share": self.equal_share, "nll_difference": self.nll_difference}
        del values["accuracy"]
        for name, counted in (("here", self.accuracy.here), ("there", self.accuracy.there)):
            told = counted and {"share": counted.share, "rows": counted.rows, "bounds": list(counted.bounds)}
            values[f"accuracy_{name}"] = told
        return values


def compare(exam: Exam, here: Sitting, there: Sitting, asked: Compared) -> Compared:
    """`asked` with the numbers and the faults in words. What `there` could not be asked (None) is no fault."""
    pairs = list(_pairs(here.likeliest, there.likeliest))
    both = _pairs(here.logprobs, there.logprobs)
    told = [(one, other) for one, other in both if one is not None and other is not None]
    found = replace(
        asked,
        tokens=len(pairs),
        equal_tokens=sum(one == other for one, other in pairs),
        nll_here=_mean([one for one, _ in told]),
        nll_there=_mean([other for _, other in told]),
    )
    faults = _faults_of_text(exam, here, there)
    if asked.same_precision:
        faults += _faults_of_weights(found)
    return replace(found, faults=tuple(faults))


def _pairs(here: Sequence[Sequence[T]], there: Sequence[Sequence[T]]) -> Iterator[tuple[T, T]]:
    """Token by token."""
    for ours, theirs in zip(here, there, strict=True):
        yield from zip(ours, theirs, strict=True)


def _mean(logprobs: Sequence[float]) -> float | None:
    return -math.fsum(logprobs) / len(logprobs) if logprobs else None


def _faults_of_text(exam: Exam, here: Sitting, there: Sitting) -> list[str]:
    """Tokenizer, template and ends: they are right or wrong at any precision."""
    faults: list[str] = []
    if there.encoded is not None and here.encoded is not None:
        wrong = sum(one != other for one, other in zip(here.encoded, there.encoded, strict=True))
        if wrong:
            faults.append(f"its tokenizer reads {wrong} of {len(exam.questions)} prompts otherwise")
    wanted = [one.rendered for one in exam.conversations]
    if there.rendered is not None and there.rendered != wanted:
        lost = not any(there.rendered)
        faults.append(
            "its chat template is lost, or not understood"
            if lost
            else "its chat template renders turns otherwise"
        )
    if there.ends is not None:
        ours, theirs = set(exam.ends), set(there.ends)
        if missing := sorted(ours - theirs):
            faults.append(f"it goes on behind {_tokens(missing)}, which ends an answer of the run's model")
        if more := sorted(theirs - ours):
            faults.append(f"it ends at {_tokens(more)}, where the run's model goes on")
    return faults


def _tokens(numbers: Sequence[int]) -> str:
    return f"token {', '.join(map(str, numbers))}"


def _faults_of_weights(found: Compared) -> list[str]:
    faults: list[str] = []
    if found.equal_share < EQUAL_SHARE:
        faults.append(
            f"only {words.share(found.equal_share, 1)} of {found.tokens:,} greedy tokens are the run's own, and "
            f"{words.share(EQUAL_SHARE)} are wanted"
        )
    here, there = found.accuracy.here, found.accuracy.there
    if here is not None and there is not None:
        # One answer of few rows is more than a point: so much may be a tie that fell the other way.
        allowed = max(ACCURACY_POINTS, 1 / max(1, here.rows))
        if abs(there.share - here.share) > allowed + 1e-9:
            faults.append(f"held-out accuracy is {there} there and {here} here")
    return faults
