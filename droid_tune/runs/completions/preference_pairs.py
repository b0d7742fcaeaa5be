"""Pairs of a better and a worse answer from what a run wrote: the best of a group against its worst, or as a person chose.

A group whose rewards are all equal teaches nothing and gives no pair; nor is an answer chosen that was cut off, because
its pair would teach to stop in the middle.
"""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from droid_tune import words
from droid_tune.data.dataset import Dataset
from droid_tune.data.editing.convert import Written, new_folder, write_rows
from droid_tune.errors import UserError
from droid_tune.events import Completion, RolloutGroup
from droid_tune.paths import RunPaths, user_path
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, write_text
from droid_tune.runs.log import read_events, reading_log

Pair = dict[str, Any]
#: which group of a run: step and place
GroupKey = tuple[int, int]
#: (the data row's number or None, the prompt as told) -> what a pair's row asks
Asked = Callable[[RolloutGroup], Mapping[str, Any]]


class HandChoice(BaseModel):
    """A person's word on a group: which completion is better than which, by their places."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    step: int = Field(ge=0)
    group: int = Field(ge=0)
    chosen: int = Field(ge=0)
    rejected: int = Field(ge=0)

    @property
    def key(self) -> GroupKey:
        """Which group it is on."""
        return self.step, self.group

    def fits(self, group: RolloutGroup) -> bool:
        """Whether the group has both completions, and they are two."""
        return self.chosen != self.rejected and max(self.chosen, self.rejected) < len(group.completions)


@dataclass
class Choices:
    """A run's choices by hand; `faulty` are the numbers (from 1) of the file's lines that are none."""

    by_group: dict[GroupKey, HandChoice] = field(default_factory=dict[GroupKey, HandChoice])
    faulty: list[int] = field(default_factory=list[int])


@dataclass
class PairsMade:
    """Pairs, and how many groups gave none: `tied` have equal rewards, `unjudged` none, of `cut` the best was cut off."""

    pairs: list[Pair] = field(default_factory=list[Pair])
    by_hand: int = 0
    tied: int = 0
    unjudged: int = 0
    cut: int = 0

    @property
    def said_left_out(self) -> str:
        """Why groups gave no pair, in words; empty where all did."""
        kinds = (
            (self.tied, "with equal rewards"),
            (self.cut, "whose best answer was cut off"),
            (self.unjudged, "that no reward judged"),
        )
        return ", ".join(f"{words.count(count, 'group')} {why}" for count, why in kinds if count)


def rollouts_in(place: Path) -> list[RolloutGroup]:
    """The groups that were trained on, of a run's folder or a file of rollouts; what a resume sampled again stands for
    what was there before. Raises UserError where there is neither."""
    file = RunPaths(place).rollouts if place.is_dir() else place
    if not file.is_file():
        raise UserError(
            "There are no rollouts here", place=str(place), remedy="name a run that sampled completions"
        )
    groups = (event for event in read_events(file) if isinstance(event, RolloutGroup) and not event.held_out)
    return list({(group.step, group.group): group for group in groups}.values())


def pairs_of(
    groups: Iterable[RolloutGroup],
    asked: Asked,
    *,
    choices: Mapping[GroupKey, HandChoice] | None = None,
    least_margin: float = 0.0,
) -> PairsMade:
    """A pair of each group that gives one; a person's choice goes before the rewards. Raises UserError for episodes."""
    made = PairsMade()
    for group in groups:
        require_one_turn(group)
        choice = (choices or {}).get((group.step, group.group))
        if choice is not None and choice.fits(group):
            made.by_hand += 1
            made.pairs.append(_pair(asked(group), group, choice.chosen, choice.rejected))
            continue
        places = _best_and_worst(group, least_margin, made)
        if places is not None:
            made.pairs.append(_pair(asked(group), group, *places))
    return made


def require_one_turn(group: RolloutGroup) -> None:
    """Refuse episodes of several turns as data to learn from: their last answer alone would teach to do without the tools.

    Raises UserError.
    """
    if any(len(one.turns) > 1 for one in group.completions):
        raise UserError(
            "The completions of this run are episodes of several turns, and their last answer alone would teach the model to "
            "answer without its tools",
            remedy="take them out whole with `droid-tune rollouts RUN --out FILE`, which has every turn",
        )


def _best_and_worst(group: RolloutGroup, least_margin: float, made: PairsMade) -> tuple[int, int] | None:
    """The places of the best whole and of the worst completion; None, and counted, where they do not differ enough."""
    judged = [place for place, one in enumerate(group.completions) if one.reward is not None]
    if len(judged) < 2:
        made.unjudged += 1
        return None

    def reward(place: int) -> float:
        return group.completions[place].reward or 0.0

    worst, best = min(judged, key=reward), max(judged, key=reward)
    if reward(best) - reward(worst) <= least_margin:
        made.tied += 1
        return None
    whole = [place for place in judged if group.completions[place].finish_reason != "length"]
    found = max(whole, key=reward, default=None)
    if found is None or reward(found) - reward(worst) <= least_margin:
        made.cut += 1
        return None
    return found, worst


def _pair(asked: Mapping[str, Any], group: RolloutGroup, chosen: int, rejected: int) -> Pair:
    better, worse = group.completions[chosen], group.completions[rejected]
    margin = _margin(better, worse)
    return {
        **asked,
        "chosen": better.text,
        "rejected": worse.text,
        **({} if margin is None else {"margin": margin}),
    }


def _margin(better: Completion, worse: Completion) -> float | None:
    if better.reward is None or worse.reward is None:
        return None
    return round(better.reward - worse.reward, 6)


# -- by hand -------------------------------------------------------------------------------------------------------------


def choose(run_dir: Path, choice: HandChoice) -> None:
    """Keep a person's word with the run; a later one on the same group goes before it. A file with lines that cannot be
    read is set aside as `.bak`, and those that can are kept. Raises UserError."""
    file = RunPaths(run_dir).choices
    known = choices_in(run_dir)
    if known.faulty:
        aside = file.with_name(f"{file.name}.bak")
        try:
            file.replace(aside)
        except OSError as error:
            raise disk_error(error, file, TRY_AGAIN) from error
    said = {**known.by_group, choice.key: choice}
    write_text(file, "".join(one.model_dump_json() + "\n" for one in said.values()), TRY_AGAIN)


def choices_in(run_dir: Path) -> Choices:
    """The word on each group, and which lines are none. Raises UserError where the file cannot be read."""
    file, found = RunPaths(run_dir).choices, Choices()
    with reading_log(file, "The pairs chosen by hand", "move it away to do without"):
        lines = file.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines() if file.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            choice = HandChoice.model_validate_json(line)
        except ValidationError:
            found.faulty.append(number)
        else:
            found.by_group[choice.key] = choice
    return found


# -- as data -------------------------------------------------------------------------------------------------------------


def write_pairs(made: PairsMade, out: str | Path, held_out_share: float) -> Written:
    """Write train.jsonl and, of a share of the prompts, valid.jsonl into a new folder. Raises UserError where there is no
    pair, or the folder is not empty."""
    if not made.pairs:
        raise UserError(
            f"No group gives a pair ({made.said_left_out or 'there are no groups'})",
            remedy="choose pairs by hand in Rollouts, or name another run",
        )
    written = Written(user_path(out))
    held_out = [_is_held_out(pair, held_out_share) for pair in made.pairs]
    if all(held_out):
        held_out = [False] * len(held_out)
    with new_folder(out) as folder:
        for split, wanted in (("train", False), ("valid", True)):
            rows = [pair for pair, held in zip(made.pairs, held_out, strict=True) if held == wanted]
            if rows:
                written.rows[split] = write_rows(folder / f"{split}.jsonl", rows)
    return written


def _is_held_out(pair: Pair, share: float) -> bool:
    """By the prompt alone, so that no prompt is on both sides."""
    return zlib.crc32(json.dumps(pair["prompt"], sort_keys=True).encode()) < share * 2**32


def asked_in(dataset: Dataset | None) -> Asked:
    """What each group was asked, from the run's data where these are at hand, so that turns stay turns."""

    def asked(group: RolloutGroup) -> Mapping[str, Any]:
        known: Mapping[str, Any] = {}
        if dataset is not None and group.row is not None and group.row < len(dataset.train):
            known = dataset.train.row(group.row)
        row = {name: known[name] for name in ("system", "tools", "answer") if known.get(name)}
        return {"prompt": known.get("prompt") or group.prompt, **row}

    return asked
