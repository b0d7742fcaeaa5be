"""A train file whose rows name their splits: what they say is for tests is never trained on."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import Dataset, open_dataset
from droid_tune.data.reading.discover import assigned
from droid_tune.data.reading.listing import listed_rows
from droid_tune.data.splits import SPLITS, split_of_word
from droid_tune.errors import UserError
from tests.engine.data.parquet_files import parquet_bytes

ROWS: list[dict[str, Any]] = [
    {"prompt": "one?", "answer": "1", "split": "train"},
    {"prompt": "two?", "answer": "2", "split": "Validation"},
    {"prompt": "one?", "answer": "3", "split": "test"},
    {"prompt": "four?", "answer": "4", "split": ""},
    {"prompt": "five?", "answer": "5", "split": "dev"},
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


FORMS = {
    "rows.jsonl": lambda: lines(ROWS).encode(),
    "train.jsonl.gz": lambda: gzip.compress(lines(ROWS).encode()),
    "train.json": lambda: json.dumps(ROWS).encode(),
    "train.csv": lambda: as_csv(ROWS).encode(),
    "train.parquet": lambda: parquet_bytes(ROWS),
}


def answers(data: Dataset) -> dict[str, list[str]]:
    return {split: [row["answer"] for row in data.splits[split]] for split in SPLITS}


@pytest.mark.parametrize("name", FORMS)
def test_rows_are_of_the_split_that_they_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FORMS[name]())
    data = open_dataset(tmp_path / name, "grpo")
    assert answers(data) == {"train": ["1", "4"], "valid": ["2", "5"], "test": ["3"]}
    assert [(file.split, file.accepted) for file in data.report.files] == [
        ("train", 2),
        ("valid", 2),
        ("test", 1),
    ]
    assert data.report.notes == [
        "`split` decides where rows belong: 2 are trained on (1 of them say no split), 2 for validation and 1 for tests are "
        "held out. Remove the column to train on all."
    ]
    (overlap,) = [one for one in data.report.issues if one.reason == "train_valid_overlap"]
    assert overlap.place == data.splits["test"].origin(0)[1]


def test_what_is_refused_stands_once_and_a_file_of_another_name_is_one_split(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(lines(ROWS[:2]) + "{broken\n" + lines(ROWS[2:]))
    (tmp_path / "valid.jsonl").write_text(lines(ROWS[:1]))
    data = open_dataset(tmp_path, "grpo")
    assert answers(data) == {"train": ["1", "4"], "valid": ["2", "5", "1"], "test": ["3"]}
    assert (data.report.accepted, data.report.rejected) == (6, 1)
    listed = {split: listed_rows(split, data.splits[split], data.report) for split in SPLITS}
    assert {split: [bool(row.error) for row in rows] for split, rows in listed.items()} == {
        "train": [False, True, False],
        "valid": [False, False, False],
        "test": [False],
    }


def test_a_split_that_is_named_late_counts_for_the_rows_that_name_it(tmp_path: Path) -> None:
    many = [{"prompt": f"{number}?", "answer": "0"} for number in range(3000)]
    (tmp_path / "train.jsonl").write_text(lines([*many, ROWS[2], *many[:5], ROWS[1]]))
    data = open_dataset(tmp_path, "grpo")
    assert {split: len(data.splits[split]) for split in SPLITS} == {"train": 3005, "valid": 1, "test": 1}
    assert data.splits["test"].origin(0)[1] == 3001


def test_where_no_row_is_left_to_train_on_all_are_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(lines(ROWS[1:3]))
    data = open_dataset(tmp_path, "grpo")
    assert answers(data) == {"train": ["2", "3"], "valid": [], "test": []}
    (note,) = data.report.notes
    assert note.startswith("`split` says that all rows are for validation or tests, and they are trained on")


def test_a_file_of_held_out_rows_alone_is_held_out_beside_one_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00002.jsonl").write_text(lines(ROWS[:1]))
    (tmp_path / "train-00001-of-00002.jsonl").write_text(lines(ROWS[2:3]))
    data = open_dataset(tmp_path, "grpo")
    assert answers(data) == {"train": ["1"], "valid": [], "test": ["3"]}
    assert data.report.notes == [
        "train-00001-of-00002.jsonl: `split` decides where rows belong: 0 are trained on, 1 for tests are held out. Remove "
        "the column to train on all."
    ]


def test_held_out_rows_are_not_trained_on_because_the_others_were_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": 7, "split": "train"}\n' + lines(ROWS[2:3]))
    with pytest.raises(UserError) as raised:
        open_dataset(tmp_path, "grpo")
    assert "`prompt` must be text" in str(raised.value)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", "train"),
        ("Training ", "train"),
        ("train_sft", "train"),
        ("gsm8k/train", "train"),
        ("train-clean-100", "train"),
        ("validation_matched", "valid"),
        ("Held-Out", "valid"),
        ("holdout", "valid"),
        ("dev", "valid"),
        ("test_sft", "test"),
        ("Testing", "test"),
        ("test-dev2015", "test"),
        ("train_dev", None),
        ("trainer", None),
        ("latest", None),
        ("fold 3", None),
        ("3", None),
    ],
)
def test_a_split_is_read_from_whole_words(word: str, split: str | None) -> None:
    assert split_of_word(word) == split


def test_words_that_name_no_split_are_told(tmp_path: Path) -> None:
    said = ["fold1", "fold2", "fold1", "test", None]
    rows = [{"prompt": f"{place}?", "answer": str(place), "split": word} for place, word in enumerate(said)]
    (tmp_path / "train.jsonl").write_text(lines(rows))
    data = open_dataset(tmp_path, "grpo")
    assert answers(data) == {"train": ["0", "1", "2", "4"], "valid": [], "test": ["3"]}
    assert data.report.notes == [
        "`split` names no split that is known in 3 rows (`fold1` and `fold2`), and they are trained on; write train, "
        "validation or test there, or remove rows that are not to be learnt.",
        "`split` decides where rows belong: 4 are trained on (1 of them say no split), 1 for tests are held out. Remove the "
        "column to train on all.",
    ]


def test_dropped_files_are_of_the_split_among_the_words_of_their_names() -> None:
    names = ["gsm8k_train.jsonl", "gsm8k-test.jsonl", "my_validation.csv", "contest.jsonl", "train_dev.jsonl"]
    found = [(one.path.name, one.split) for one in assigned([Path(name) for name in names])]
    assert [split for _name, split in found] == ["train", "test", "valid", "train", "train"]
