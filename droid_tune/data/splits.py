"""Which split a file is, and which type: read from its name alone. And which split a row says that it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from droid_tune.names import Split

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
#: Names of splits, as people and the Hub write them.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "eval": "valid",
    "dev": "valid",
    "test": "test",
}
#: the column in which sets of one file keep to which split a row belongs
SPLIT_COLUMN = "split"
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
#: Types that are no text.
BINARY_SUFFIXES = (".parquet",)
_SHARD = re.compile(r"[-_.]\d+([-_]of[-_]\d+)?$")


@dataclass(frozen=True)
class DataFile:
    """One file and its split."""

    path: Path
    split: Split


def suffix_of(path: Path) -> str:
    """The file type by name, `.gz` taken off: `.jsonl` for `train.jsonl.gz`; lower case, empty when unknown."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def split_of(path: Path) -> Split | None:
    """The split that a file name says: `train.jsonl`, `validation-00000-of-00002.parquet`, `dev.csv.gz`."""
    return SPLIT_NAMES.get(whole_name(path)) if suffix_of(path) else None


def split_said_by(row: Mapping[str, Any]) -> Split | None:
    """The split that a row names in its column `split`, None where it names none that people know."""
    return SPLIT_NAMES.get(str(row.get(SPLIT_COLUMN)).strip().lower())


def whole_name(path: Path) -> str:
    """The file's name without type and number: `train` of `train-00000-of-00002.jsonl.gz`; lower case."""
    return _SHARD.sub("", path.name.lower().removesuffix(".gz").removesuffix(suffix_of(path)))
