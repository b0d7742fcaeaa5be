"""Parquet: nested rows become the rows that JSON would give; typed columns are read as they are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.validate import validate
from droid_tune.errors import UserError
from tests.engine.data.parquet_files import parquet_bytes


def parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(parquet_bytes(rows, **options))
    return path


def prompts(count: int) -> Any:
    from arro3.core import Array, DataType

    return Array([f"{number}?" for number in range(count)], DataType.utf8())


TURNS = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]


def test_lists_of_structs_are_messages(tmp_path: Path):
    path = parquet(tmp_path / "train.parquet", [{"messages": TURNS}, {"messages": TURNS[::-1] + TURNS}])
    rows = open_dataset(path, "sft").train
    assert rows.row(0)["messages"] == TURNS
    assert [turn["role"] for turn in rows.row(1)["messages"]] == ["assistant", "user", "user", "assistant"]


@pytest.mark.parametrize("names", [("role", "content"), ("from", "value")])
def test_a_struct_of_lists_is_messages_too(tmp_path: Path, names: tuple[str, str]):
    """As `datasets` wrote a `Sequence` of turns until version 4."""
    zipped = dict(
        zip(names, ([turn["role"] for turn in TURNS], [turn["content"] for turn in TURNS]), strict=True)
    )
    path = parquet(tmp_path / "train.parquet", [{"conversations": zipped}])
    row = open_dataset(path, "sft").train.row(0)
    assert [turn["content"] for turn in row["messages"]] == ["1 + 1?", "2"]


def test_a_text_column_without_the_mark_of_text_is_read_and_an_image_is_not(tmp_path: Path):
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet

    def written(prompt: bytes) -> Path:
        cells = {"prompt": [prompt], "completion": [b"zwei"]}
        columns = {name: Array(values, DataType.binary()) for name, values in cells.items()}
        write_parquet(Table.from_pydict(columns), tmp_path / "train.parquet")
        return tmp_path / "train.parquet"

    row = open_dataset(written("Größe?".encode()), "sft").train.row(0)
    assert (row["prompt"], row["answer"]) == ("Größe?", "zwei")
    with pytest.raises(UserError, match="but it is bytes that are no text"):
        open_dataset(written(b"\xff\xd8\xff"), "sft")


def test_structs_inside_other_columns_reach_rewards_and_nulls_are_absent(tmp_path: Path):
    path = parquet(
        tmp_path / "train.parquet",
        [
            {"prompt": "a", "answer": "1", "metadata": {"level": 3, "tags": ["x", "y"]}},
            {"prompt": "b", "answer": "2", "metadata": {"level": None, "tags": []}},
        ],
    )
    rows = open_dataset(path, "grpo").train
    assert rows.row(0)["metadata"] == {"level": 3, "tags": ["x", "y"]}
    assert rows.row(1)["metadata"] == {"tags": []}


def test_prompts_may_be_messages_with_a_null_name(tmp_path: Path):
    rows = [{"prompt": [{"role": "user", "content": "a", "name": None}], "answer": "1"}]
    read = open_dataset(parquet(tmp_path / "train.parquet", rows), "grpo").row(0)
    assert read["prompt"] == [{"role": "user", "content": "a"}]


def test_numbers_in_a_text_column_are_read_as_text_and_said_once(tmp_path: Path):
    path = parquet(tmp_path / "train.parquet", [{"prompt": f"{n}?", "answer": n} for n in range(30)])
    data = open_dataset(path, "grpo")
    assert data.row(29)["answer"] == "29"
    assert [issue.reason for issue in data.report.issues] == ["coerced_type"]


def test_rows_of_many_groups_are_counted_from_one(tmp_path: Path):
    rows: list[dict[str, Any]] = [{"prompt": f"{n}?", "answer": "x"} for n in range(100)]
    rows[41]["answer"] = None
    report = validate(parquet(tmp_path / "train.parquet", rows, max_row_group_size=7), "grpo")
    assert (report.accepted, report.rejected) == (99, 1)
    assert [(issue.index, issue.field, issue.reason) for issue in report.issues] == [
        (42, "answer", "missing_required_field")
    ]


@pytest.mark.parametrize("codec", ["snappy", "zstd(3)", "gzip(6)", "uncompressed"])
def test_every_usual_compression_is_read(tmp_path: Path, codec: str):
    rows = [{"prompt": "é 中", "answer": "1"}] * 3
    path = parquet(tmp_path / "train.parquet", rows, compression=codec)
    assert open_dataset(path, "grpo").row(2) == {"prompt": "é 中", "answer": "1"}


def test_several_files_of_a_split_follow_one_another(tmp_path: Path):
    for part in range(3):
        name = f"train-0000{part}-of-00003.parquet"
        parquet(tmp_path / name, [{"prompt": f"{part}", "answer": "x"}])
    assert [row["prompt"] for row in open_dataset(tmp_path, "grpo").train] == ["0", "1", "2"]


def test_a_file_that_was_cut_off_is_said_in_one_sentence(tmp_path: Path):
    path = parquet(tmp_path / "train.parquet", [{"prompt": "a", "answer": "b"}])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="not Parquet, or cut off"):
        open_dataset(path)


def test_short_floats_are_the_numbers_that_were_written(tmp_path: Path):
    from arro3.core import Array, Table
    from arro3.io import write_parquet

    for width, written in ((np.float32, [0.1, 2.5]), (np.float16, [0.1, 2.5])):
        numbers = Array.from_numpy(np.array(written, dtype=width))
        path = tmp_path / f"{width.__name__}.parquet"
        write_parquet(
            Table.from_arrays([prompts(2), numbers, numbers], names=["prompt", "answer", "x"]), path
        )
        rows = open_dataset(path, "grpo").train
        assert [(row["answer"], row["x"]) for row in rows] == [("0.1", 0.1), ("2.5", 2.5)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Int type with bit width of 128 and signed of true not supported", "unsupported_file_type"),
        ("Parquet error: EOF", "unreadable"),
    ],
)
def test_a_type_that_is_not_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, reason: str
):
    path = parquet(tmp_path / "train.parquet", [{"prompt": "a", "answer": "1"}])

    def refuse(_stream: object) -> object:
        raise RuntimeError(said)

    monkeypatch.setattr("arro3.io.read_parquet", refuse)
    error = validate(path).files[0].error
    assert error is not None
    assert (error.reason, said in error.message) == (reason, True)
