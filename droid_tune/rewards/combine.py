"""Several rewards as one: ask each once, weigh, add up, count what failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from droid_tune import words
from droid_tune.errors import MendableError, UserError
from droid_tune.methods.advantages import weighted_totals
from droid_tune.rewards.base import EpisodeMessages, Failed, Graded, Outcome, Reward, Sample, number_of
from droid_tune.rewards.reasoning_gym import without_answer

Array = NDArray[np.float64]


class RewardTroubleError(MendableError):
    """A reward cannot judge as it is now."""

    kind = "reward"


class TooManyFailures(RewardTroubleError):  # noqa: N818 - it says what happened
    """A reward failed on more completions than it may: the run stops rather than learn from the rest."""


@dataclass(frozen=True)
class RewardFailure:
    """One completion that one reward could not judge."""

    name: str
    index: int
    message: str
    place: str = ""

    def sentence(self) -> str:
        """Which reward failed on which completion (from 1), where and why."""
        where = f" ({self.place})" if self.place else ""
        return f"The reward `{self.name}` failed on completion {self.index + 1}{where}: {self.message}"


@dataclass(frozen=True)
class RewardScores:
    """What the rewards said of N completions.

    `parts`: each reward's own numbers (N,), unweighted, NaN where not applicable or failed; there may be none where an
    environment judges. `count` is N.
    `details`: what a reward is made of, as `<reward>.<part>`: shown, never added.
    `reasons`: each reward's own words (N) on why, empty where it has none.
    """

    parts: Mapping[str, Array]
    weights: Mapping[str, float]
    count: int
    details: Mapping[str, Array] = field(default_factory=dict[str, Array])
    failures: Sequence[RewardFailure] = ()
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @property
    def totals(self) -> NDArray[np.floating[Any]]:
        """(N,) the weighted sum over the rewards that applied; NaN where none did or one failed."""
        return weighted_totals(self.matrix, [self.weights[name] for name in self.parts])

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(N,) True where any reward failed: such a completion takes no part in its group."""
        mask = np.zeros(self.count, dtype=bool)
        mask[[failure.index for failure in self.failures]] = True
        return mask

    @property
    def matrix(self) -> Array:
        """(N, K) the parts side by side, a failed completion's row all NaN: for the advantages."""
        columns = np.stack(list(self.parts.values()), axis=1) if self.parts else np.zeros((self.count, 0))
        columns[self.failed] = np.nan
        return columns

    @property
    def shown(self) -> dict[str, Array]:
        """Everything with a curve of its own: parts and details."""
        return {**self.parts, **self.details}


@dataclass(frozen=True)
class WeighedReward:
    """A reward with its place in the sum."""

    name: str
    weight: float
    reward: Reward
    failure_share: float = 0.5


class RewardSet:
    """The rewards of a run. Close it (or use `with`): some hold child processes."""

    def __init__(self, rewards: Sequence[WeighedReward]) -> None:
        self._rewards = tuple(rewards)

    @property
    def names(self) -> list[str]:
        """The rewards in order, as curves and columns call them."""
        return [one.name for one in self._rewards]

    @property
    def weights(self) -> list[float]:
        """One for each name."""
        return [one.weight for one in self._rewards]

    @property
    def cautions(self) -> list[str]:
        """What the user should know before the run, one sentence each."""
        return [one.reward.caution for one in self._rewards if one.reward.caution]

    def score(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        lengths: Sequence[int],
        finish_reasons: Sequence[str],
        prompt_ends: Sequence[str] | None = None,
        seed: int = 0,
        conversations: Sequence[EpisodeMessages] | None = None,
    ) -> RewardScores:
        """Every reward's word on N completions; each argument has one entry per completion.

        `prompt_ends` are the ends of the rendered prompts and `conversations` whole episodes, see `Sample`; `seed` is what
        random rewards begin from.
        Raises TooManyFailures where a reward failed on more than its share of the completions.
        """
        ends = [""] * len(completions) if prompt_ends is None else prompt_ends
        seeds: list[int] = np.random.SeedSequence(seed).generate_state(len(completions), np.uint64).tolist()
        talks = [None] * len(completions) if conversations is None else conversations
        samples = [
            Sample(*facts)
            for facts in zip(
                prompts, completions, rows, lengths, finish_reasons, ends, seeds, talks, strict=True
            )
        ]
        outcomes = {one.name: judged(one, samples) for one in self._rewards}
        return combined(outcomes, dict(zip(self.names, self.weights, strict=True)), len(samples))

    def printed(self) -> dict[str, str]:
        """What each reward's code printed in its last call, where it printed anything."""
        return {one.name: said for one in self._rewards if (said := one.reward.printed())}

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Refuse data to which a reward can never apply. Raises UserError naming the reward and the column."""
        rows = list(rows)
        seen = {column for row in rows for column, value in row.items() if value not in (None, "")}
        tasks = list(dict.fromkeys(task for row in rows if (task := without_answer(row))))
        for one in self._rewards:
            missing = [column for column in one.reward.needs if column not in seen]
            if missing == ["answer"] and tasks:
                raise UserError(
                    f"The reward `{one.name}` needs answers, and Reasoning Gym's {', '.join(tasks)} have none of "
                    "their own: only their scorer knows what is right",
                    place="rewards",
                    remedy="write a Python reward that calls `reasoning_gym.get_score_answer_fn`, or take other tasks",
                )
            if missing:
                raise UserError(
                    f"The reward `{one.name}` needs the column `{missing[0]}`, which no row has",
                    place="rewards",
                    remedy=f"map a column to `{missing[0]}` under Data, or take the reward out "
                    f"(the rows have {', '.join(sorted(seen)) or 'no columns'})",
                )

    def without_their_column(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
        """(reward, column, how many of the rows lack it): there the reward does not apply."""
        found = [
            (one.name, column, sum(row.get(column) in (None, "") for row in rows))
            for one in self._rewards
            for column in one.reward.needs
        ]
        return [(name, column, count) for name, column, count in found if count]

    def renew(self) -> None:
        """Begin anew with what the user may have mended meanwhile. Raises UserError where a reward cannot be made."""
        for one in self._rewards:
            one.reward.renew()

    def end_now(self) -> None:
        """From another thread: end the children of all of them, for somebody who cannot wait."""
        for one in self._rewards:
            one.reward.end_now()

    def close(self) -> None:
        """Ends the children and connections of all of them."""
        for one in self._rewards:
            one.reward.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


#: what to do about a reward that fails
MEND = "mend the reward and try it (Try Rewards… on Setup, or `droid-tune test-reward`)"


def judged(one: WeighedReward, samples: Sequence[Sample]) -> list[Outcome]:
    """A reward's outcomes, checked. Raises TooManyFailures past the reward's share."""
    outcomes = [checked(outcome) for outcome in one.reward.score(samples)]
    if len(outcomes) != len(samples):
        raise AssertionError(
            f"the reward {one.name} gave {len(outcomes)} outcomes for {len(samples)} samples"
        )
    failed = [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, Failed)]
    if failed and len(failed) > one.failure_share * len(samples):
        index, first = failed[0]
        raise TooManyFailures(
            f"The reward `{one.name}` failed on {len(failed)} of {len(samples)} completions "
            f"(at most {words.share(one.failure_share)} may); completion {index + 1}: {first.message}",
            place=first.place,
            remedy=f"{first.remedy or MEND} before training again",
        )
    return outcomes


def checked(outcome: Outcome) -> Outcome:
    """A number that is not finite is a failure, whoever gave it."""
    value = outcome.value if isinstance(outcome, Graded) else outcome
    if isinstance(value, (int, float)) and not math.isfinite(value):
        return Failed(f"the reward gave {value}, which is not a finite number")
    return outcome


def combined(
    outcomes: Mapping[str, Sequence[Outcome]], weights: Mapping[str, float], count: int
) -> RewardScores:
    """Parts, their weighted sum over what applied, and the failures in order of completion, of `count` completions."""
    parts = {name: numbers(of) for name, of in outcomes.items()}
    failures = sorted(
        (
            RewardFailure(name, index, outcome.message, outcome.place)
            for name, of in outcomes.items()
            for index, outcome in enumerate(of)
            if isinstance(outcome, Failed)
        ),
        key=lambda failure: failure.index,
    )
    reasons = {name: [reason_of(outcome) for outcome in of] for name, of in outcomes.items()}
    return RewardScores(parts, weights, count, details_of(outcomes), failures, reasons)


def reason_of(outcome: Outcome) -> str:
    """Why a reward said what it said, in its own words; empty where it has none."""
    if isinstance(outcome, Failed):
        return outcome.message
    return outcome.why if isinstance(outcome, Graded) else ""


def numbers(outcomes: Sequence[Outcome]) -> Array:
    """(N,) the outcomes as numbers, NaN for None and failures."""
    found = map(number_of, outcomes)
    return np.array([math.nan if value is None else value for value in found], dtype=np.float64)


def details_of(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, Array]:
    """`<reward>.<part>` -> (N,), NaN where a completion was not graded in that part."""
    details: dict[str, Array] = {}
    for name, of in outcomes.items():
        graded = {index: outcome.parts for index, outcome in enumerate(of) if isinstance(outcome, Graded)}
        for part in dict.fromkeys(part for parts in graded.values() for part in parts):
            values = [graded.get(index, {}).get(part, math.nan) for index in range(len(of))]
            details[f"{name}.{part}"] = np.array(values, dtype=np.float64)
    return details
