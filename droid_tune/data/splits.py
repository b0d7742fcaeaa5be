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
    "validate": "valid",
    "val": "valid",
    "eval": "valid",
    "evaluation": "valid",
    "dev": "valid",
    "development": "valid",
    "holdout": "valid",
    "heldout": "valid",
    "test": "test",
    "testing": "test",
}
#: the column in which sets of one file keep to which split a row belongs
SPLIT_COLUMN = "split"
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
#: Types that are no text.
BINARY_SUFFIXES = (".parquet",)
_NO_LETTERS = re.compile(r"[^a-z]+")
#: `-00000-of-00002`, and with the digest that older files of the Hub carry
_SHARD = re.compile(r"[-_.]\d+([-_]of[-_]\d+(-[0-9a-f]{16})?)?$")


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


def split_word(row: Mapping[str, Any]) -> str:
    """What a row says in its column `split`, empty where it says nothing."""
    word = row.get(SPLIT_COLUMN)
    return "" if word is None else str(word).strip()


def split_of_word(word: str) -> Split | None:
    """The split that a word names, whole or in one of its pieces: `Validation`, `held-out`, `test_sft`, `gsm8k/train`.

    None where none is named, or one to train on beside one to hold out.
    """
    pieces = _NO_LETTERS.split(word.lower())
    whole = SPLIT_NAMES.get("".join(pieces))
    named = {SPLIT_NAMES[piece] for piece in pieces if piece in SPLIT_NAMES} if whole is None else {whole}
    if "train" in named:
        return "train" if len(named) == 1 else None
    return next((split for split in ("test", "valid") if split in named), None)


def words_beside(word: str) -> str:
    """What a word says beside its split: `sft` of `train_sft`."""
    return "_".join(one for one in _NO_LETTERS.split(word.lower()) if one and one not in SPLIT_NAMES)


def whole_name(path: Path) -> str:
    """The file's name without type and number: `train` of `train-00000-of-00002.jsonl.gz`; lower case."""
    return _SHARD.sub("", path.name.lower().removesuffix(".gz").removesuffix(suffix_of(path)))
