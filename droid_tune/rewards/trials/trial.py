"""Rewards tried on a few rows before any training: on each row's own answer, on another row's, on broken completions, on
what an earlier run wrote, and on given texts.

A reward that cannot tell a row's own answer from another row's has nothing to teach.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from droid_tune.config.rewards import RewardConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import open_dataset
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import prompt_text
from droid_tune.paths import data_path
from droid_tune.rewards.base import Sample
from droid_tune.rewards.combine import RewardScores, RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.trials.agreement import agreement_in, right_by_accuracy
from droid_tune.rewards.trials.reward_source import LONGEST, rewards_in
from droid_tune.rewards.trials.trial_verdict import can_tell, verdict_on
from droid_tune.rewards.trials.tries import BARE, FORMS, Menu, tries_of
from droid_tune.trial_report import Agreement, Trial, Try
from droid_tune.word_split import words
from droid_tune.words import shortened

#: rows looked at for an answer that differs, and for the columns that a reward needs
_LOOKED_THROUGH = 100
#: rows among which those are looked for that a past run has answered
_SEARCHED = 5000
#: characters of a reward's reason
LONGEST_WHY = 200


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
    return try_on_data(configs, rows, Menu(given), count, longest)


def try_on_data(
    configs: Sequence[RewardConfig],
    rows: Sequence[Row],
    menu: Menu,
    count: int,
    longest: int = LONGEST,
    watch: Watch = UNWATCHED,
    unsaved: Mapping[str, str] | None = None,
) -> Trial:
    """Try rewards on `count` rows of data, those first that have a saved completion. Raises UserError, and `Stopped`."""
    numbers = [*_with_saved(rows, menu, count), *range(min(max(count, _LOOKED_THROUGH), len(rows)))]
    numbers = list(dict.fromkeys(numbers))
    with build_rewards(
        configs, max_completion_length=longest, tolerant=True, watch=watch, unsaved=unsaved
    ) as rewards:
        trial = try_rewards(rewards, [rows[at] for at in numbers], menu, count, longest, watch)
    return replace(trial, tries=[replace(one, row=numbers[one.row]) for one in trial.tries])


def _with_saved(rows: Sequence[Row], menu: Menu, count: int) -> list[int]:
    """The first rows that a past run has answered."""
    searched = range(min(len(rows), _SEARCHED if menu.saved else 0))
    return list(islice((at for at in searched if prompt_text(rows[at]) in menu.saved), count))


def try_rewards(
    rewards: RewardSet,
    rows: Sequence[Row],
    menu: Menu,
    count: int,
    longest: int = LONGEST,
    watch: Watch = UNWATCHED,
) -> Trial:
    """All tries on the first `count` rows in one call of each reward, as in a rollout.

    Where bare answers do not differ, they are tried in the forms that rewards want. Lengths are counted in words; a
    completion that was cut off is `longest` tokens long.
    """
    rewards.check_rows(rows)
    places = range(min(count, len(rows)))
    tries = _judged(rewards, rows, _all_tries(places, rows, menu, BARE), longest)
    watch.pause_point()
    notes = list(rewards.cautions)
    if not can_tell(tries):
        tries, form = _in_another_form(rewards, rows, places, menu, longest, tries)
        if form != BARE:
            notes.append(f"Answers were tried as `{form.format('…')}`: bare ones get nothing.")
    return Trial(tries, notes, rewards.printed(), verdict_on(tries), agreement_of(tries))


def _in_another_form(
    rewards: RewardSet, rows: Sequence[Row], places: Sequence[int], menu: Menu, longest: int, bare: list[Try]
) -> tuple[list[Try], str]:
    """The tries in the first form in which a row's own answer earns another reward than others; the bare ones where none
    does."""
    for form in FORMS[1:]:
        tries = _judged(rewards, rows, _all_tries(places, rows, menu, form), longest)
        if can_tell(tries):
            return tries, form
    return bare, BARE


def _all_tries(places: Sequence[int], rows: Sequence[Row], menu: Menu, form: str) -> list[Try]:
    return list(chain.from_iterable(tries_of(number, rows, menu, form) for number in places))


def _judged(rewards: RewardSet, rows: Sequence[Row], tries: Sequence[Try], longest: int) -> list[Try]:
    """The tries with their scores, and with what `accuracy` says of them."""
    lengths = [longest if one.source == "cut off" else len(words(one.completion)) for one in tries]
    reasons = ["length" if one.source == "cut off" else "stop" for one in tries]
    scores = rewards.score(
        [one.prompt for one in tries],
        [one.completion for one in tries],
        [rows[one.row] for one in tries],
        lengths,
        reasons,
    )
    samples = [
        Sample(one.prompt, one.completion, rows[one.row], length, reason)
        for one, length, reason in zip(tries, lengths, reasons, strict=True)
    ]
    right = right_by_accuracy(samples)
    return [replace(with_scores(one, scores, at), right=right[at]) for at, one in enumerate(tries)]


def with_scores(one: Try, scores: RewardScores, index: int) -> Try:
    """The try with the scores of completion `index`."""
    return replace(
        one,
        reward=or_none(scores.totals[index]),
        rewards={name: or_none(part[index]) for name, part in scores.shown.items()},
        failures=[failure.sentence() for failure in scores.failures if failure.index == index],
        why=shortened(why_of(scores, index), LONGEST_WHY),
    )


def why_of(scores: RewardScores, index: int) -> str:
    """What the rewards say of completion `index`, those that have words for it; named where there are several."""
    reasons = {name: of[index] for name, of in scores.reasons.items() if of[index]}
    single = len(scores.parts) == 1
    return "; ".join(text if single else f"{name}: {text}" for name, text in reasons.items())


def or_none(value: float) -> float | None:
    """None for what JSON has no number for."""
    return float(value) if math.isfinite(value) else None


def agreement_of(tries: Sequence[Try]) -> Agreement:
    """With `accuracy`, among the tries of each row."""
    rows: defaultdict[int, list[Try]] = defaultdict(list)
    for one in tries:
        rows[one.row].append(one)
    found = (agreement_in((one.right, one.reward) for one in of) for of in rows.values())
    return sum(found, Agreement())
