"""What a trial of rewards finds: tries on rows, a verdict in words, agreement with `accuracy`, a past run scored anew.

Plain values without the rewards themselves, so that a window and a terminal show the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from droid_tune import words

Source = Literal["own answer", "another row's answer", "empty", "cut off", "saved rollout", "given"]
Level = Literal["good", "weak", "bad", "unknown"]

#: in a few words, for a heading
LEVEL_WORDS: Mapping[Level, str] = {
    "good": "It can tell right from wrong",
    "weak": "Look at it before you train",
    "bad": "Do not train with it alone",
    "unknown": "Not known",
}


@dataclass(frozen=True)
class BenchQuestion:
    """What is asked of the workbench: the data and the rewards of `config` (values of a run's config) are tried on
    `count` rows, beside `given` texts and what `run` (a folder) has written; or that run is scored anew (`rescores`).

    `unsaved` are texts of Python files, by the paths in the config, that count in the place of what is on disk.
    """

    config: Mapping[str, Any]
    unsaved: Mapping[str, str] = field(default_factory=dict[str, str])
    run: str = ""
    count: int = 8
    given: Sequence[str] = ()
    rescores: bool = False


@dataclass(frozen=True)
class LookedAt:
    """What a look at the text of a Python file found: how its function is called, or what is wrong, and in which line."""

    sentence: str
    ok: bool
    line: int = 0


@dataclass(frozen=True)
class Try:
    """One completion with what the rewards said of it. `reward` None: none applied, or one failed.

    `right` is what `accuracy` says of it, None where the row has no answer.
    """

    row: int
    source: Source
    prompt: str
    completion: str
    reward: float | None = None
    rewards: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    failures: Sequence[str] = ()
    why: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether the rewards can tell right from wrong, as far as the tries say, in sentences: the gravest first."""

    level: Level
    sentences: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(self.sentences)


@dataclass(frozen=True)
class Agreement:
    """Pairs of a right and a wrong completion (by `accuracy`) to one prompt: in how many the right one earns more
    (`agreeing`), as much (`equal`) or less (`against`)."""

    agreeing: int = 0
    equal: int = 0
    against: int = 0

    @property
    def pairs(self) -> int:
        """How many there were to compare."""
        return self.agreeing + self.equal + self.against

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.agreeing + other.agreeing, self.equal + other.equal, self.against + other.against
        )

    def sentence(self) -> str:
        """`Of 64 pairs ... (94%)`; empty where there were none."""
        if not self.pairs:
            return ""
        pairs = words.count(self.pairs, "pair")
        return (
            f"Agreement with `accuracy`: of {pairs} of a right and a wrong completion to one prompt the right one gets "
            f"more in {self.agreeing:,} ({words.share(self.agreeing / self.pairs)}), as much in {self.equal:,}, "
            f"less in {self.against:,}."
        )


@dataclass(frozen=True)
class Trial:
    """Every try, what the reward's code printed, and what a user should know."""

    tries: Sequence[Try]
    notes: Sequence[str]
    printed: Mapping[str, str]
    verdict: Verdict = Verdict("unknown")
    agreement: Agreement = Agreement()

    @property
    def ok(self) -> bool:
        """Whether no reward failed on any completion."""
        return not any(one.failures for one in self.tries)

    def as_json(self) -> dict[str, Any]:
        """Everything for `test-reward --json`; a reward that is no number is null."""
        return {"ok": self.ok, **asdict(self)}


@dataclass(frozen=True)
class RescoredCompletion:
    """One completion of a past run: the reward that it got, and the one that it would have had."""

    step: int
    group: int
    member: int
    held_out: bool
    prompt: str
    completion: str
    was: float | None
    would: float | None
    right: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class RescoredStep:
    """The completions of one step of a past run, sampled or held out, scored anew.

    `was` and `would` are mean rewards (None: none was judged); `flat_was` and `flat_would` count the groups whose
    completions all earn the same, which teach nothing.
    """

    step: int
    held_out: bool
    completions: Sequence[RescoredCompletion]
    was: float | None
    would: float | None
    groups: int
    flat_was: int
    flat_would: int
    failed: int = 0
    agreement: Agreement = Agreement()


@dataclass(frozen=True)
class Rescored:
    """A past run as another reward would have seen it. `notes` say on what that rests."""

    run: str
    steps: Sequence[RescoredStep]
    notes: Sequence[str] = ()
    printed: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def sampled(self) -> list[RescoredStep]:
        """The steps that were learnt from, in order."""
        return [one for one in self.steps if not one.held_out]

    @property
    def agreement(self) -> Agreement:
        """Over all completions."""
        return sum((one.agreement for one in self.steps), Agreement())

    @property
    def failed(self) -> int:
        """Completions that the reward could not judge."""
        return sum(one.failed for one in self.steps)

    def sentences(self) -> list[str]:
        """What the figures say, in words."""
        sampled = self.sampled
        if not sampled:
            return [f"The run {self.run} has no completions to score."]
        count = sum(len(one.completions) for one in self.steps)
        first, last, groups = sampled[0], sampled[-1], sum(one.groups for one in sampled)
        flat = [sum(one.flat_was for one in sampled), sum(one.flat_would for one in sampled)]
        said = [
            f"{words.count(count, 'completion')} of {self.run} were scored anew, nothing was trained.",
            f"The mean reward would have gone from {_figure(first.would)} to {_figure(last.would)} (step {first.step:,} to "
            f"{last.step:,}); it went from {_figure(first.was)} to {_figure(last.was)}.",
            f"Groups of equal rewards, which teach nothing: {words.share(flat[1] / groups)} of {groups:,}; "
            f"they were {words.share(flat[0] / groups)}.",
        ]
        failed = f"The reward failed on {self.failed:,} of them." if self.failed else ""
        return [one for one in (*said, failed, self.agreement.sentence(), *self.notes) if one]

    def as_json(self) -> dict[str, Any]:
        """Everything for `test-reward --run RUN --json`."""
        return {**asdict(self), "agreement": asdict(self.agreement), "failed": self.failed}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


@dataclass(frozen=True)
class AnswerVerdict:
    """`reward` is the weighted sum, `parts` each reward's own; None where one could not judge.

    `right`: None where the row has no answer to compare with. `why` are the rewards' own words.
    """

    reward: float | None = None
    parts: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    right: bool | None = None
    why: str = ""
