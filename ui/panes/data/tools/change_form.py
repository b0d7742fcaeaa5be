"""The tools of the Data pane as a table: what each asks, and the plan that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from droid_tune import words
from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset
from droid_tune.data.editing import changes
from droid_tune.data.editing.changes import ChangePlan, Tick
from droid_tune.data.editing.convert import TARGETS, convert, preview
from droid_tune.data.formats.base import Row
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.lens import prompt_length
from droid_tune.data.splits import SPLITS, Split
from droid_tune.data.templates import TemplateOptions
from ui.panes.data.files_card import SPLIT_WORDS
from ui.panes.data.rows.rows_model import whole_text

Values = Mapping[str, Any]
#: rows shown of what would be written
SHOWN_ROWS = 3


@dataclass(frozen=True)
class Ask:
    """One field of a tool: a number, a switch (`False`/`True` as default) or a choice of (value, words)."""

    name: str
    title: str
    default: int | bool | str
    choices: tuple[tuple[str, str], ...] = ()
    whole_of: str = ""  # a number whose default is a tenth (`tenth`) or half (`half`) of the train rows


@dataclass(frozen=True)
class Change:
    """A tool. `plan` is None for conversions, which change rows rather than choose among them."""

    key: str
    title: str
    words: str
    asks: tuple[Ask, ...] = ()
    plan: Callable[[Dataset, Values, Callable[[Row], int], Tick], ChangePlan] | None = None
    needs_tokenizer: bool = False


_SEED = Ask("seed", "Seed", 0)
_FORMATS = tuple((name, FORMATS_BY_NAME[name].title) for name in TARGETS)

CHANGES: tuple[Change, ...] = (
    Change(
        "split",
        "Hold Out Rows",
        "A validation set from the train rows, all rows of one prompt on the same side.",
        (Ask("count", "Rows to hold out", 0, whole_of="tenth"), _SEED),
        lambda data, v, _, tick: changes.split_validation(data, v["count"], v["seed"], tick=tick),
    ),
    Change(
        "sample",
        "Draw a Sample",
        "Some of the train rows, drawn without repetition, in the order of the file.",
        (Ask("count", "Rows to draw", 0, whole_of="half"), _SEED),
        lambda data, v, _, tick: changes.sample(data, v["count"], v["seed"]),
    ),
    Change(
        "rejected",
        "Keep Accepted Rows",
        "Everything that can be used, as JSONL: without rejected rows and blank lines.",
        (),
        lambda data, v, _, tick: changes.drop_rejected(data),
    ),
    Change(
        "dedupe",
        "Remove Duplicates",
        "The first of equal rows in each split.",
        (Ask("by_prompt", "Rows with the same prompt count as equal", False),),
        lambda data, v, _, tick: changes.deduplicate(data, by_prompt=v["by_prompt"], tick=tick),
    ),
    Change(
        "overlap",
        "Remove Leakage",
        "Takes the prompts of held-out and test rows out of the train rows.",
        (),
        lambda data, v, _, tick: changes.remove_overlap(data, tick=tick),
    ),
    Change(
        "shuffle",
        "Shuffle",
        "The train rows in another order. (Training shuffles by itself, too.)",
        (_SEED,),
        lambda data, v, _, tick: changes.shuffle(data, v["seed"]),
    ),
    Change(
        "length",
        "Filter by Length",
        "Rows whose prompt, as the model sees it, lies within the limits.",
        (Ask("shortest", "At least (tokens)", 0), Ask("longest", "At most (tokens)", 1024)),
        lambda data, v, length, tick: changes.filter_length(
            data, length, v["longest"], v["shortest"], tick=tick
        ),
        needs_tokenizer=True,
    ),
    Change(
        "convert",
        "Convert",
        "The rows in another format, their columns under its names. What a format cannot hold is said.",
        (Ask("target", "To", "messages", _FORMATS),),
    ),
)


@dataclass
class Preview:
    """What a change would do. `plan` is None for a conversion."""

    said: str
    counts: dict[str, tuple[int, int]] = field(
        default_factory=dict[str, tuple[int, int]]
    )  # before, after by split
    rows: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # heading, text
    plan: ChangePlan | None = None


def plan_change(
    change: Change, dataset: Dataset, values: Values, options: TemplateOptions, tokenizer: Any, tick: Tick
) -> Preview:
    """Work a change out without writing anything. Raises `UserError`, `Stopped`."""
    if change.plan is None:
        return _preview_conversion(dataset, str(values["target"]))
    plan = change.plan(dataset, values, lambda row: prompt_length(tokenizer, row, options), tick)
    counts = {str(split): (len(dataset.splits[split]), plan.count(split)) for split in SPLITS}
    split: Split = "valid" if change.key == "split" else "train"
    name = "First held-out rows" if split == "valid" else "First train rows"
    rows = changes.first_rows(dataset, plan, split, SHOWN_ROWS)
    return Preview(
        plan.said,
        {split: pair for split, pair in counts.items() if any(pair)},
        [(f"{name}, {place}", whole_text(row)) for place, row in enumerate(rows, start=1)],
        plan,
    )


def _preview_conversion(dataset: Dataset, target: str) -> Preview:
    title = FORMATS_BY_NAME[target].title
    shown: list[tuple[str, str]] = []
    for place, (before, after) in enumerate(preview(dataset.train, target, SHOWN_ROWS), start=1):
        shown.append((f"Row {place}, as it is", whole_text(before)))
        shown.append((f"Row {place}, as {title}", after if isinstance(after, str) else whole_text(after)))
    return Preview(f"Writes every row that {title} can hold; the others are named.", {}, shown)


def write_change(
    change: Change, dataset: Dataset, shown: Preview, values: Values, out: str, watch: Watch
) -> str:
    """Carry a change out into a new folder and say what was written. Raises `UserError`, `Stopped`."""
    if shown.plan is not None:
        written = changes.carry_out(dataset, shown.plan, out, watch.tell)
    else:
        written = convert(dataset, str(values["target"]), out, watch)
    counts = ", ".join(
        words.count(count, f"{SPLIT_WORDS[split].lower()} row") for split, count in written.rows.items()
    )
    said = " ".join([f"Wrote {counts} to {written.folder}.", *written.said_lost])
    if written.left_out:
        place, why = written.left_out[0]
        said += f" Left out {len(written.left_out):,}, the first at {place}: {why}."
    return said
