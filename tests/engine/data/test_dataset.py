"""Rows on demand: normalised, with their other columns, found again by place, and changes under us said."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.model_and_data import DataConfig
from droid_tune.data import layout
from droid_tune.data.dataset import changes, open_configured, open_dataset
from droid_tune.data.formats import table
from droid_tune.data.formats.base import Field, RowFormat
from droid_tune.errors import DiskError, UserError


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_rejected_and_blank_lines_are_left_out_and_places_are_kept(tmp_path: Path):
    write(
        tmp_path / "train.jsonl",
        {"prompt": "a", "answer": "1"},
        "",
        "{broken",
        {"prompt": "é\u2028b", "answer": "2"},
    )
    data = open_dataset(tmp_path)
    assert len(data) == 2
    assert data.row(1)["prompt"] == "é\u2028b"
    assert data.train.place(1) == "train.jsonl:4"
    assert (data.report.accepted, data.report.rejected, data.report.blank) == (2, 1, 1)


def test_other_columns_reach_rewards_by_name_and_numbers_stay_exact(tmp_path: Path):
    number = 12345678901234567890123
    write(tmp_path / "train.jsonl", {"prompt": "a", "answer": "1", "metadata": {"target": number}})
    assert open_dataset(tmp_path).row(0) == {"prompt": "a", "answer": "1", "metadata": {"target": number}}


@pytest.mark.parametrize(
    ("raw", "prompt", "answer"),
    [
        ({"question": "q", "answer": "a"}, "q", "a"),
        ({"instruction": "Do", "input": "this", "output": "done"}, "Do\n\nthis", "done"),
        ({"instruction": "Do", "input": "", "output": "done"}, "Do", "done"),
        ({"instruction": "Do", "response": "done"}, "Do", "done"),
        ({"prompt": "p", "completion": "c"}, "p", "c"),
        ({"prompt": "p", "chosen": "c", "rejected": "r"}, "p", "c"),
        ({"prompt": "p"}, "p", None),
    ],
)
def test_every_shape_gives_prompt_and_answer(tmp_path: Path, raw: Any, prompt: str, answer: str | None):
    row = open_dataset(write(tmp_path / "train.jsonl", raw), "grpo").row(0)
    assert (row["prompt"], row["answer"]) == (prompt, answer)


def test_messages_and_sharegpt_give_the_turns_before_the_last_answer(tmp_path: Path):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    share = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]}
    first = open_dataset(write(tmp_path / "a.jsonl", {"messages": turns}), "grpo").row(0)
    second = open_dataset(write(tmp_path / "b.jsonl", share), "grpo").row(0)
    assert first == second == {"messages": turns, "prompt": turns[:1], "answer": "yo"}


def test_columns_are_mapped_and_the_rest_is_kept(tmp_path: Path):
    path = write(tmp_path / "train.jsonl", {"query": "q", "solution": "s", "id": 7})
    row = open_dataset(path, "grpo", {"prompt": "query", "answer": "solution"}).row(0)
    assert row == {"id": 7, "prompt": "q", "answer": "s"}


def test_valid_falls_back_to_test(tmp_path: Path):
    write(tmp_path / "train.jsonl", {"text": "a"})
    write(tmp_path / "test.jsonl", {"text": "b"})
    assert [row["text"] for row in open_dataset(tmp_path).valid] == ["b"]


def test_unusable_data_is_one_sentence_with_place_and_remedy(tmp_path: Path):
    path = write(tmp_path / "train.jsonl", {"prompt": "a", "answer": ""}, {"prompt": "b", "answer": "1"}, "{")
    assert len(open_dataset(path)) == 1
    broken = write(tmp_path / "other.jsonl", {"prompt": "a", "answer": ""})
    with pytest.raises(UserError, match=r"other.jsonl:1: Its only row.*`answer` is blank; fill it in"):
        open_dataset(broken)
    with pytest.raises(UserError, match="does not exist"):
        open_dataset(tmp_path / "nowhere.jsonl")


def test_a_changed_file_is_said_and_a_touched_one_is_not(tmp_path: Path):
    path = write(tmp_path / "train.jsonl", {"prompt": "a", "answer": "1"})
    state = json.loads(json.dumps(open_dataset(path).state()))
    assert changes(state) == []
    os.utime(path, (1, 1))
    assert changes(state) == []
    write(path, {"prompt": "b", "answer": "1"})
    assert changes(state) == [
        f"{path} changed since the run began: the size is the same, the content is not."
    ]
    write(path, {"prompt": "abc", "answer": "1"})
    assert "now has 33" in changes(state)[0]
    path.unlink()
    assert "cannot be read any more" in changes(state)[0]


def test_a_file_cut_under_us_is_one_sentence(tmp_path: Path):
    path = write(tmp_path / "train.jsonl", {"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": "2"})
    data = open_dataset(path)
    path.write_text("{}")
    with pytest.raises(UserError, match=r"train\.jsonl:2: The file changed"):
        data.row(1)


def test_a_row_that_the_disk_does_not_give_is_no_changed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path / "train.jsonl", *[{"prompt": "a", "answer": "1"}] * 2)
    data = open_dataset(tmp_path)

    def broken(*_: Any) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", broken)
        with pytest.raises(
            DiskError, match=r"^train\.jsonl:2: The row cannot be read \(Input/output error\)"
        ):
            data.row(1)
    assert data.row(1)["answer"] == "1"


def test_files_of_several_places_are_read_by_their_split(tmp_path: Path):
    here, there = tmp_path / "a" / "some.jsonl", tmp_path / "b" / "other.jsonl"
    for path, prompt in ((here, "a"), (there, "b")):
        path.parent.mkdir()
        write(path, {"prompt": prompt, "answer": "1"})
    config = DataConfig(path=str(tmp_path), files={"train": [str(there)], "valid": [str(here)]})
    data = open_configured(config, "grpo")
    assert [row["prompt"] for row in data.train] == ["b"]
    assert [row["prompt"] for row in data.valid] == ["a"]


def test_several_files_need_one_to_train_on(tmp_path: Path):
    path = write(tmp_path / "train.jsonl", {"prompt": "a", "answer": "1"})
    with pytest.raises(UserError, match="None of the files is to train on"):
        open_dataset(tmp_path, files={"valid": [path]})


def test_a_held_out_file_whose_every_line_is_broken_has_no_rows(tmp_path: Path):
    write(tmp_path / "train.jsonl", {"prompt": "a", "answer": "1"})
    (tmp_path / "valid.jsonl").write_text("{broken\n[1, 2\n")
    data = open_dataset(tmp_path, "grpo")
    assert (len(data.train), len(data.valid), data.report.rejected) == (1, 0, 2)


def test_a_new_format_is_a_row_format_and_a_line_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing else has to know of it: it is told from others, checked, read, mapped and named in messages."""
    riddle = RowFormat(
        name="riddle",
        title="Riddles",
        fields=(Field("riddle"), Field("riddle_answer")),
        needs=frozenset({"prompt", "demonstration"}),
        normalise=lambda fields: {"prompt": fields["riddle"], "answer": fields["riddle_answer"]},
    )
    longer = (*table.FORMATS, riddle)
    for reader in (table, layout):  # the one table, by both its names
        monkeypatch.setattr(reader, "FORMATS", longer)
    write(
        tmp_path / "a.jsonl",
        {"riddle": "what has keys?", "riddle_answer": "a piano", "level": 1},
        {"riddle": 1},
    )
    data = open_dataset(tmp_path / "a.jsonl", "grpo")
    assert data.report.files[0].format == "riddle"
    assert data.row(0) == {"prompt": "what has keys?", "answer": "a piano", "level": 1}
    assert [issue.reason for issue in data.report.issues] == ["wrong_type"]
    write(tmp_path / "b.jsonl", {"text_of_it": "what has keys?", "riddle_answer": "a piano"})
    assert open_dataset(tmp_path / "b.jsonl", "sft", {"riddle": "text_of_it"}).row(0)["answer"] == "a piano"
