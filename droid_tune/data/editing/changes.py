"""Changes to a data set as plans: which rows of which split remain, said in a sentence, written to a new folder.

A plan is made from a data set without changing it, so that the window can show it before it is carried out; the
user's files stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from droid_tune import words
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.editing.convert import Written, new_folder, write_rows
from droid_tune.data.formats.base import Row
from droid_tune.data.order.batches import permutation
from droid_tune.data.reading.spill import Numbers
from droid_tune.data.splits import SPLITS, Split
from droid_tune.data.templates import prompt_text
from droid_tune.errors import UsageError
from droid_tune.paths import user_path

#: One row of a plan: the split it comes from, and its number there.
Source = tuple[Split, Numbers]
#: Told (rows done, rows in all) now and then; may raise `Stopped`.
Tick = Callable[[int, int], None]
_TICK_ROWS = 1000


def quiet(done: int, total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class ChangePlan:
    """For each split, where its rows come from, in order."""

    said: str
    splits: Mapping[Split, Sequence[Source]]
    removed: int = 0
    examples: Sequence[str] = field(default_factory=tuple[str, ...])

    def count(self, split: Split) -> int:
        return sum(len(numbers) for _source, numbers in self.splits.get(split, ()))


def everything(dataset: Dataset) -> dict[Split, list[Source]]:
    """All rows of each split that has any, in order."""
    return {split: [(split, np.arange(len(rows)))] for split, rows in dataset.splits.items() if len(rows)}


def with_train(dataset: Dataset, numbers: Numbers) -> dict[Split, list[Source]]:
    """These rows of train, and the other splits whole."""
    plan = everything(dataset)
    plan["train"] = [("train", numbers)]
    return plan


def drop_rejected(dataset: Dataset) -> ChangePlan:
    """The accepted rows alone."""
    count = dataset.report.rejected
    return ChangePlan(
        f"Leaves out {count:,} rejected rows and {dataset.report.blank:,} blank lines.",
        everything(dataset),
        count,
    )


def split_validation(dataset: Dataset, count: int, seed: int = 0, *, tick: Tick = quiet) -> ChangePlan:
    """Hold out about `count` train rows as valid, all rows of a prompt on one side. Raises `UsageError`."""
    rows = dataset.train
    if not 0 < count < len(rows):
        raise UsageError(
            f"{count:,} of {words.count(len(rows), 'row')} cannot be held out", remedy="hold out fewer"
        )
    keys = prompt_keys(rows, tick)
    groups, group_of = np.unique(keys, return_inverse=True)
    sizes = np.bincount(group_of)
    chosen = np.zeros(len(groups), dtype=bool)
    held_out = 0
    for group in permutation(len(groups), seed, 0):
        # A group that would overshoot by more than it helps stays in train.
        if held_out + sizes[group] <= count or not held_out:
            chosen[group] = True
            held_out += int(sizes[group])
        if held_out >= count:
            break
    valid = np.flatnonzero(chosen[group_of])
    if len(valid) == len(rows):
        raise UsageError("All rows have the same prompt", remedy="a validation set needs prompts of its own")
    plan = everything(dataset)
    plan["train"] = [("train", np.flatnonzero(~chosen[group_of]))]
    plan["valid"] = [*plan.get("valid", []), ("train", valid)]
    return ChangePlan(
        f"Holds out {len(valid):,} of {len(rows):,} train rows; no prompt is on both sides.", plan
    )


def sample(dataset: Dataset, count: int, seed: int = 0) -> ChangePlan:
    """`count` train rows drawn without repetition, in the order of the file. Raises `UsageError`."""
    if not 0 < count <= len(dataset.train):
        raise UsageError(
            f"{count:,} of {words.count(len(dataset.train), 'row')} cannot be drawn", remedy="draw fewer"
        )
    chosen = np.sort(permutation(len(dataset.train), seed, 0)[:count])
    plan = with_train(dataset, chosen)
    return ChangePlan(
        f"Draws {count:,} of {len(dataset.train):,} train rows.", plan, len(dataset.train) - count
    )


def shuffle(dataset: Dataset, seed: int = 0) -> ChangePlan:
    """All train rows in another order."""
    plan = with_train(dataset, permutation(len(dataset.train), seed, 0))
    return ChangePlan(f"Puts {len(dataset.train):,} train rows into another order.", plan)


def deduplicate(dataset: Dataset, *, by_prompt: bool = False, tick: Tick = quiet) -> ChangePlan:
    """The first of equal rows (or of rows with an equal prompt) in each split."""
    key_of = prompt_keys if by_prompt else row_keys
    plan: dict[Split, list[Source]] = {}
    removed = 0
    for split, rows in dataset.splits.items():
        if len(rows):
            _values, first = np.unique(key_of(rows, tick), return_index=True)
            plan[split] = [(split, np.sort(first))]
            removed += len(rows) - len(first)
    what = "whose prompt was there before" if by_prompt else "that are the same as an earlier one"
    return ChangePlan(f"Leaves out {words.count(removed, 'row')} {what}.", plan, removed)


def remove_overlap(dataset: Dataset, *, tick: Tick = quiet) -> ChangePlan:
    """Take the prompts of valid and test out of train."""
    held_out = np.concatenate([prompt_keys(dataset.splits[split], tick) for split in ("valid", "test")])
    kept = np.flatnonzero(~np.isin(prompt_keys(dataset.train, tick), held_out))
    removed = len(dataset.train) - len(kept)
    plan = with_train(dataset, kept)
    return ChangePlan(
        f"Leaves out {words.count(removed, 'train row')} whose prompt is held out.", plan, removed
    )


def filter_length(
    dataset: Dataset,
    length_of: Callable[[Row], int],
    longest: int,
    shortest: int = 0,
    unit: str = "tokens",
    *,
    tick: Tick = quiet,
) -> ChangePlan:
    """Rows whose length, as `length_of` measures it, lies within the limits."""
    plan: dict[Split, list[Source]] = {}
    removed = 0
    for split, rows in dataset.splits.items():
        if len(rows):
            lengths = np.fromiter((length_of(row) for row in _told(rows, tick)), np.int64, len(rows))
            kept = np.flatnonzero((lengths >= shortest) & (lengths <= longest))
            plan[split] = [(split, kept)]
            removed += len(rows) - len(kept)
    return ChangePlan(
        f"Leaves out {words.count(removed, 'row')}: not {shortest:,} to {longest:,} {unit} long.",
        plan,
        removed,
    )


def prompt_keys(rows: Rows, tick: Tick = quiet) -> Numbers:
    """A number for each row's prompt, equal where the prompts are (as the model would be asked)."""
    return np.fromiter((hash(prompt_key(row)) for row in _told(rows, tick)), np.int64, len(rows))


def _told(rows: Rows, tick: Tick) -> Iterator[Row]:
    """The rows one by one, each thousandth of them told."""
    for done, row in enumerate(rows):
        if not done % _TICK_ROWS:
            tick(done, len(rows))
        yield row


def prompt_key(row: Row) -> str:
    """What makes two prompts the same one."""
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return json.dumps(prompt, sort_keys=True)
    return prompt_text(row).strip()


def row_keys(rows: Rows, tick: Tick = quiet) -> Numbers:
    """A number for each row, equal where all their columns are."""
    keys = np.empty(len(rows), np.int64)
    for index in range(len(rows)):
        if not index % _TICK_ROWS:
            tick(index, len(rows))
        keys[index] = hash(json.dumps(rows.raw(index), sort_keys=True))
    return keys


def first_rows(dataset: Dataset, plan: ChangePlan, split: Split, count: int) -> list[Row]:
    """What a split would begin with once the plan is carried out, for a preview."""
    return list(islice(_rows_of(dataset, plan, split), count))


def _rows_of(dataset: Dataset, plan: ChangePlan, split: Split) -> Iterator[Row]:
    for source, numbers in plan.splits.get(split, ()):
        for number in numbers:
            yield dataset.splits[source].raw(int(number))


def carry_out(dataset: Dataset, plan: ChangePlan, out: str | Path, tick: Tick = quiet) -> Written:
    """Write the rows of a plan to a new folder, each as it stands in its file. Raises `UserError`."""
    written = Written(user_path(out))
    total, before = sum(map(plan.count, SPLITS)), 0
    with new_folder(out) as folder:
        for split in SPLITS:
            if plan.count(split):
                rows = _ticking(_rows_of(dataset, plan, split), before, total, tick)
                written.rows[split] = write_rows(folder / f"{split}.jsonl", rows)
                before += plan.count(split)
    return written


def _ticking(rows: Iterator[Row], before: int, total: int, tick: Tick) -> Iterator[Row]:
    for done, row in enumerate(rows, start=before):
        if not done % _TICK_ROWS:
            tick(done, total)
        yield row
