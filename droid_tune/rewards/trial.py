"""Rewards tried on a few rows before any training: on each row's own answer, on another row's, and on given completions.

A reward that cannot tell a row's own answer from another row's has nothing to teach.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from droid_tune.config import RunConfig
from droid_tune.config.load import read_values
from droid_tune.config.migrate import import_foreign
from droid_tune.config.presets import resolve
from droid_tune.config.rewards import REWARD_CONFIGS, RewardConfig, UserFileReward
from droid_tune.data.dataset import open_dataset
from droid_tune.data.formats.answers import right_answers
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import prompt_text
from droid_tune.errors import UserError
from droid_tune.paths import data_path
from droid_tune.rewards.combine import RewardScores, RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.word_split import words

#: rows looked at for an answer that differs, and for the columns that a reward needs
_LOOKED_THROUGH = 100
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
#: tokens that a completion may have where no config says so
_LONGEST = 256

Source = Literal["own answer", "another row's answer", "given"]


@dataclass(frozen=True)
class Try:
    """One completion with what the rewards said of it. `reward` None: none applied, or one failed."""

    row: int
    source: Source
    prompt: str
    completion: str
    reward: float | None = None
    rewards: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class Trial:
    """Every try, what the reward's code printed, and what a user should know."""

    tries: Sequence[Try]
    notes: Sequence[str]
    printed: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether no reward failed on any completion."""
        return not any(one.failures for one in self.tries)

    def as_json(self) -> dict[str, Any]:
        """Everything for `test-reward --json`; a reward that is no number is null."""
        return {
            "ok": self.ok,
            "tries": [asdict(one) for one in self.tries],
            "notes": list(self.notes),
            "printed": dict(self.printed),
        }


def try_file(
    file: Path,
    data: str,
    *,
    function: str = "",
    count: int = 8,
    given: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
) -> Trial:
    """Try a Python file's function, or the rewards of a run's YAML or JSON config, on the first `count` rows of data.

    Raises UserError where the file or the data cannot be used.
    """
    configs, longest = rewards_in(file, function)
    rows = open_dataset(data_path(data), "grpo", mapping).train
    with build_rewards(configs, max_completion_length=longest, folder=Path.cwd(), tolerant=True) as rewards:
        return try_rewards(rewards, rows[: max(count, _LOOKED_THROUGH)], given, count)


def rewards_in(file: Path, function: str) -> tuple[Sequence[RewardConfig], int]:
    """The rewards in a file or the built-in one of that name, and the longest completion they are built for."""
    kind = REWARD_CONFIGS.get(str(file))
    if kind is not None and not file.exists():
        return [built_in(kind)], _LONGEST
    if file.suffix in CONFIG_SUFFIXES:
        config = config_in(file)
        return config.rewards, config.sampling.max_completion_length
    if file.suffix != ".py":
        raise UserError(
            "This is no reward file",
            place=str(file),
            remedy="give a Python file, the YAML config of a run, or the name of a built-in reward "
            f"({', '.join(REWARD_CONFIGS)})",
        )
    return [UserFileReward(path=str(file.absolute()), function=function)], _LONGEST


def config_in(file: Path) -> RunConfig:
    """The run's settings in a YAML or JSON file. Raises UserError."""
    return resolve(import_foreign(read_values(file)).values, place=str(file))


def built_in(kind: type[RewardConfig]) -> RewardConfig:
    """A reward with its defaults. Raises UserError for one that has to be told more."""
    try:
        return kind()
    except ValidationError as error:
        missing = ", ".join(str(fault["loc"][0]) for fault in error.errors())
        raise UserError(
            f"This reward needs {missing}",
            place="rewards",
            remedy="write it into a config and give that file",
        ) from None


def try_rewards(rewards: RewardSet, rows: Sequence[Row], given: Sequence[str], count: int) -> Trial:
    """All tries on the first `count` rows in one call of each reward, as in a rollout. Lengths are counted in words."""
    rewards.check_rows(rows)
    tries = [one for number in range(min(count, len(rows))) for one in tries_of(number, rows, given)]
    scores = rewards.score(
        [one.prompt for one in tries],
        [one.completion for one in tries],
        [rows[one.row] for one in tries],
        [len(words(one.completion)) for one in tries],
        ["stop"] * len(tries),
    )
    judged = [with_scores(one, scores, index) for index, one in enumerate(tries)]
    return Trial(judged, [*rewards.cautions, *notes_on(judged)], rewards.printed())


def tries_of(number: int, rows: Sequence[Row], given: Sequence[str]) -> list[Try]:
    """What is tried on one row."""
    prompt = prompt_text(rows[number])
    completions: list[tuple[Source, str]] = []
    own = answer_in(rows[number])
    others = (answer_in(row) for row in [*rows[number + 1 :], *rows[:number]])
    other = next((answer for answer in others if answer not in ("", own)), "")
    if own:
        completions.append(("own answer", own))
    if other:
        completions.append(("another row's answer", other))
    completions.extend(("given", text) for text in given)
    return [Try(number, source, prompt, text) for source, text in completions]


def answer_in(row: Row) -> str:
    """A completion that is right for the row: its answer, the first one of several; empty where it has none."""
    return next(iter(right_answers(row.get("answer")) or ()), "")


def with_scores(one: Try, scores: RewardScores, index: int) -> Try:
    """The try with the scores of completion `index`."""
    return Try(
        one.row,
        one.source,
        one.prompt,
        one.completion,
        or_none(scores.totals[index]),
        {name: or_none(part[index]) for name, part in scores.shown.items()},
        [failure.sentence() for failure in scores.failures if failure.index == index],
    )


def or_none(value: float) -> float | None:
    """None for what JSON has no number for."""
    return float(value) if math.isfinite(value) else None


def notes_on(tries: Sequence[Try]) -> list[str]:
    """What the numbers say about the reward, in sentences."""
    if not tries:
        return ["The rows have no answers to try; give completions of your own with --completion."]
    notes: list[str] = []
    failed = sum(bool(one.failures) for one in tries)
    if failed:
        notes.append(f"The reward failed on {failed} of {len(tries)} completions.")
    values = [one.reward for one in tries if one.reward is not None]
    if not values and not failed:
        notes.append("No reward applied to any completion: nothing could be learnt.")
    if len(values) > 1 and len(set(values)) == 1:
        notes.append(f"Every completion got {values[0]:g}: from equal rewards nothing can be learnt.")
    own, other = mean_of(tries, "own answer"), mean_of(tries, "another row's answer")
    if own is not None and other is not None and own < other:
        notes.append(
            f"The rows' own answers got less ({own:.3g} on average) than other rows' answers ({other:.3g}): "
            "the reward may be upside down."
        )
    return notes


def mean_of(tries: Sequence[Try], source: Source) -> float | None:
    """Mean reward of one kind of completion; None where none was judged."""
    values = [one.reward for one in tries if one.source == source and one.reward is not None]
    return sum(values) / len(values) if values else None
