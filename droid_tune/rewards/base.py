"""What a reward is: something that looks at a completion and its row, and says a number.

A reward is asked once per rollout, for all completions together. Its answer for each completion is one of

* a number (a `Graded` one where it is made of parts that are worth seeing);
* None: the reward does not apply to this row, and is left out of its total;
* `Failed`: the reward could not judge. Never a 0 in disguise: the completion is left out of the training signal and shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from droid_tune.rewards.thoughts import after_thinking, opened_thoughts


@dataclass(frozen=True)
class EpisodeMessages:
    """An episode as messages in OpenAI's form: those of its prompt, then what the model and its environment said."""

    opening: Sequence[Mapping[str, Any]]
    rest: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Sample:
    """One completion as a reward sees it. Of an episode with an environment `completion` is the model's last answer, and
    `conversation` all of it.

    `length` is in tokens; `finish_reason` is stop or length; `prompt_ends` is the end of the rendered prompt (what the
    template adds for the model's turn, a prefilled beginning too), empty where it is not known. `seed` is what a reward
    that draws at random begins from: the same in every run of the same settings.
    """

    prompt: str
    completion: str
    row: Mapping[str, Any] = field(default_factory=dict[str, Any])
    length: int = 0
    finish_reason: str = "stop"
    prompt_ends: str = ""
    seed: int = 0
    conversation: EpisodeMessages | None = None

    @property
    def thoughts_opened(self) -> str:
        """The tag with which the prompt left thoughts open, empty where it left none."""
        return opened_thoughts(self.prompt_ends)

    @property
    def spoken(self) -> str | None:
        """What the completion says after its thoughts, None where they never end."""
        return after_thinking(self.completion, self.thoughts_opened)


@dataclass(frozen=True)
class Graded:
    """A number with the parts it was made of, each reported under `<reward>.<part>`, and why it is what it is."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    why: str = ""


@dataclass(frozen=True)
class Failed:
    """Why a reward could not judge one completion, where (file:line, server, column), and what mends it, where that is no
    change of the reward."""

    message: str
    place: str = ""
    remedy: str = ""


Outcome = float | Graded | Failed | None

#: why a completion gets nothing whose thoughts were not closed
NEVER_ENDED = "thoughts never ended"


def number_of(outcome: Outcome) -> float | None:
    """The number in an outcome, None where the reward does not apply or failed."""
    if isinstance(outcome, Graded):
        return outcome.value
    return None if outcome is None or isinstance(outcome, Failed) else float(outcome)


class RewardError(Exception):
    """A reward was misused: the row or the setting is wrong, not the completion. Becomes a `Failed`."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.failed = Failed(message, place)


class Reward:
    """The base of all rewards. `needs` names the columns without which it never applies."""

    needs: tuple[str, ...] = ()
    #: something the user should know before the run starts
    caution: str = ""

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        """One outcome per sample, in order."""
        raise NotImplementedError

    def printed(self) -> str:
        """What the reward's code printed in its last call."""
        return ""

    def renew(self) -> None:
        """Begin anew with what the user may have mended meanwhile (his file). Raises UserError where that cannot be."""

    def end_now(self) -> None:
        """End child processes at once, from another thread, while the reward may be waiting for them."""

    def close(self) -> None:
        """Free what the reward holds (child processes, models). It may be called twice."""


class EachReward(Reward):
    """A reward that judges every completion by itself; `why` says in a few words where a bare number comes from."""

    def __init__(
        self,
        judge: Callable[[Sample], float | Graded | None],
        *,
        needs: tuple[str, ...] = (),
        why: Callable[[Sample, float], str] | None = None,
    ) -> None:
        self._judge, self._why = judge, why
        self.needs = needs

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        return [self._outcome(sample) for sample in samples]

    def _outcome(self, sample: Sample) -> Outcome:
        try:
            found = self._judge(sample)
        except RewardError as error:
            return error.failed
        if self._why is None or found is None or isinstance(found, Graded):
            return found
        return Graded(found, why=self._why(sample, found))


def reference_texts(row: Mapping[str, Any], column: str = "answer") -> list[str]:
    """The row's references as texts, each of them right; empty where the row has none.

    A list holds several (as JSON too, where all are texts). Raises RewardError for what is no text, number or truth.
    """
    value = row.get(column)
    if isinstance(value, str) and value.lstrip().startswith('["'):
        value = _texts_in_json(value)
    several: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]  # pyright: ignore[reportUnknownVariableType]
    return [_as_text(one, column) for one in several if one is not None and one != ""]


def reference_text(row: Mapping[str, Any], column: str = "answer") -> str | None:
    """The row's first reference as text, None where the row has none. Raises RewardError, see `reference_texts`."""
    return next(iter(reference_texts(row, column)), None)


def _as_text(value: object, column: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise RewardError(f"the row's `{column}` is {type(value).__name__}, not text or a number")
    return str(value)


def _texts_in_json(value: str) -> object:
    """`["one", "two"]` as a list; any other text as it is."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if all(isinstance(one, str) for one in found) else value
