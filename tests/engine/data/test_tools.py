"""Changes to data are plans, carried out into a new folder; the files themselves stay as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset, open_dataset
from droid_tune.data.editing import changes
from droid_tune.data.editing.convert import TARGETS, convert, preview
from droid_tune.data.mapping import propose
from droid_tune.data.reading.duplicates import repeats, shared
from droid_tune.data.reading.spill import SpillArray
from droid_tune.data.statistics import Lengths, Limits, answer_type, scripts_of, statistics
from droid_tune.data.synthetic.samples import write_sample
from droid_tune.data.validate import validate
from droid_tune.errors import Stopped, UsageError, UserError


def rows_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Ten train rows of six prompts (0..5, the first four twice), two of them held out in valid as well."""
    rows = [{"prompt": f"p{number % 6}", "answer": str(number // 6), "id": number} for number in range(10)]
    held_out = [{"prompt": "p5", "answer": "0", "id": 0}, {"prompt": "new", "answer": "0", "id": 1}]
    for name, some in (("train", rows), ("valid", held_out)):
        text = "".join(json.dumps(row) + "\n" for row in some)
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.jsonl").write_text(text)
    return open_dataset(tmp_path / "in")


def test_a_validation_set_shares_no_prompt_with_train(data: Dataset, tmp_path: Path):
    plan = changes.split_validation(data, 4, seed=3)
    changes.carry_out(data, plan, tmp_path / "out")
    train, valid = rows_of(tmp_path / "out" / "train.jsonl"), rows_of(tmp_path / "out" / "valid.jsonl")
    new = valid[2:]
    assert len(train) + len(new) == 10
    assert len(new) == 4
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in new}


def test_the_same_seed_holds_out_the_same_rows(data: Dataset):
    one, two = changes.split_validation(data, 4, seed=3), changes.split_validation(data, 4, seed=3)
    assert [list(numbers) for _s, numbers in one.splits["train"]] == [
        list(n) for _s, n in two.splits["train"]
    ]


def test_more_than_there_is_cannot_be_held_out_or_drawn(data: Dataset):
    with pytest.raises(UsageError, match="10 of 10 rows cannot be held out"):
        changes.split_validation(data, 10)
    with pytest.raises(UsageError, match="11 of 10 rows cannot be drawn"):
        changes.sample(data, 11)


def test_a_sample_keeps_the_order_of_the_file(data: Dataset):
    [(_split, numbers)] = changes.sample(data, 5, seed=1).splits["train"]
    assert len(set(numbers.tolist())) == 5
    assert numbers.tolist() == sorted(numbers.tolist())


def test_shuffling_loses_no_row(data: Dataset):
    [(_split, numbers)] = changes.shuffle(data, seed=1).splits["train"]
    assert numbers.tolist() != list(range(10))
    assert sorted(numbers.tolist()) == list(range(10))


def test_duplicates_go_by_row_or_by_prompt(data: Dataset):
    assert changes.deduplicate(data).removed == 0
    plan = changes.deduplicate(data, by_prompt=True)
    assert plan.removed == 4
    assert plan.splits["train"][0][1].tolist() == [0, 1, 2, 3, 4, 5]


def test_overlap_is_taken_out_of_train(data: Dataset):
    plan = changes.remove_overlap(data)
    assert (plan.removed, plan.count("train"), plan.count("valid")) == (1, 9, 2)


def test_rows_are_chosen_by_length(data: Dataset):
    plan = changes.filter_length(data, lambda row: row["id"], longest=7, shortest=2)
    assert plan.splits["train"][0][1].tolist() == [2, 3, 4, 5, 6, 7]
    assert plan.removed == 6


def test_nothing_of_the_users_is_overwritten(data: Dataset, tmp_path: Path):
    before = (tmp_path / "in" / "train.jsonl").read_bytes()
    with pytest.raises(UserError, match="not empty"):
        changes.carry_out(data, changes.shuffle(data), tmp_path / "in")
    assert (tmp_path / "in" / "train.jsonl").read_bytes() == before


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_converted_is_valid_and_keeps_other_columns(tmp_path: Path, target: str):
    row = {"prompt": "p", "chosen": "c", "rejected": "r", "system": "s", "id": 7}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    convert(open_dataset(tmp_path / "a.jsonl"), target, tmp_path / "out")
    report = validate(tmp_path / "out")
    assert (report.ok, report.files[0].format) == (True, target)
    [new] = rows_of(tmp_path / "out" / "train.jsonl")
    assert new["id"] == 7


def test_messages_come_back_from_every_conversation_format(tmp_path: Path):
    turns = [("system", "s"), ("user", "p"), ("assistant", "a")]
    messages = [{"role": role, "content": content} for role, content in turns]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    convert(open_dataset(tmp_path / "a.jsonl"), "conversations", tmp_path / "b")
    convert(open_dataset(tmp_path / "b"), "messages", tmp_path / "c")
    assert rows_of(tmp_path / "c" / "train.jsonl") == [{"messages": messages}]
    convert(open_dataset(tmp_path / "a.jsonl"), "prompt_answer", tmp_path / "d")
    assert rows_of(tmp_path / "d" / "train.jsonl") == [{"prompt": "p", "system": "s", "answer": "a"}]


def test_what_cannot_be_converted_is_named(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "p"}\n')
    data = open_dataset(tmp_path / "a.jsonl")
    assert preview(data.train, "messages") == [({"prompt": "p"}, "the row has no answer")]
    with pytest.raises(
        UserError, match=r"a\.jsonl:1: No row can be written as messages: the row has no answer"
    ):
        convert(data, "messages", tmp_path / "out")
    with pytest.raises(UsageError, match="no format to convert to"):
        convert(data, "poem", tmp_path / "out2")


@pytest.mark.parametrize("there_before", [False, True])
def test_converting_can_be_stopped_and_leaves_nothing_of_its_own(
    there_before: bool, data: Dataset, tmp_path: Path
):
    out = tmp_path / "out"
    if there_before:
        out.mkdir()
    with pytest.raises(Stopped):
        convert(data, "messages", out, watch=Watch(should_stop=lambda: True))
    assert out.exists() == there_before
    assert not there_before or list(out.iterdir()) == []


@pytest.mark.parametrize("method", ["grpo", "dapo", "sft", "dpo"])
def test_sample_data_is_right_by_our_own_rules(tmp_path: Path, method: str):
    write_sample(method, tmp_path / "out")
    report = validate(tmp_path / "out", method)
    assert report.ok
    assert len(report.issues) == 0
    assert report.accepted == 192


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        ({"query": "a", "solution": "b"}, {"prompt": "query", "answer": "solution"}),
        ({"input": [{"role": "user", "content": "x"}], "ideal": "y"}, {"prompt": "input", "answer": "ideal"}),
        ({"problem": "x", "answer": "y"}, {"prompt": "problem"}),
        ({"Prompt": "x", "Final Answer": "y"}, {"prompt": "Prompt", "answer": "Final Answer"}),
        ({"prompt": "x", "answer": "y"}, {}),
        (
            {"problem": "p", "answer": "2", "system_prompt": "s"},
            {"prompt": "problem", "system": "system_prompt"},
        ),
        ({"query": "a", "solution": 3}, {"prompt": "query", "answer": "solution"}),
    ],
)
def test_a_mapping_is_proposed_by_names_and_values(row: dict[str, Any], mapping: dict[str, str]):
    assert propose([row] * 3, "grpo")[0].mapping == mapping


def test_for_sft_the_whole_solution_is_proposed():
    row = {"problem": "p", "expected_answer": "2", "generated_solution": "It is 2."}
    assert propose([row], "sft")[0].mapping == {"prompt": "problem", "answer": "generated_solution"}
    assert propose([row], "grpo")[0].mapping == {"prompt": "problem", "answer": "expected_answer"}


def test_nothing_is_proposed_for_columns_that_say_nothing():
    assert propose([{"foo": "x", "n": 1}], "grpo") == []


def spilled(*numbers: int, in_memory: int = 2) -> SpillArray:
    array = SpillArray(in_memory)
    for number in numbers:
        array.extend([number])
    return array


@pytest.mark.parametrize("in_memory", [1, 3, 100])
def test_repeats_are_found_in_memory_and_on_disk(monkeypatch: pytest.MonkeyPatch, in_memory: int):
    monkeypatch.setattr("droid_tune.data.reading.duplicates.PER_PASS", 2)
    array = spilled(5, -7, 5, 9, -7, 5, in_memory=in_memory)
    assert list(repeats(array)) == [(2, 0), (4, 1), (5, 0)]
    assert list(shared(array, spilled(9, 1, 5))) == [(0, 2), (2, 2), (3, 0), (5, 2)]
    assert array.view().tolist() == [5, -7, 5, 9, -7, 5]


class Words:
    """A tokenizer of words without a template."""

    eos_token_id = None
    chat_template = None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [len(word) for word in text.split()]


def test_statistics_count_what_is_there(data: Dataset):
    told = statistics(data, Words(), limits=Limits(max_prompt=0, max_answer=1))
    train = told.splits["train"]
    assert (train.rows, train.duplicates, train.repeated_prompts) == (10, 0, 4)
    assert (train.prompt_tokens.median, train.prompt_tokens.longest) == (1, 1)
    assert (train.too_long, train.cut_answers) == (10, 0)
    assert (train.answers, train.suggested_reward) == ({"number": 10}, "accuracy")
    assert train.empty_systems == 0  # rows without a system text have no empty one
    assert told.overlap == {"valid": 1}
    json.dumps(told.to_json())


def test_lengths_say_where_most_rows_end():
    lengths = Lengths.of(np.array([1, 2, 3, 4, 100]))
    assert (lengths.median, lengths.p95, lengths.longest) == (3, 100, 100)
    assert sum(lengths.counts) == 5


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("42", "number"),
        ("-1,234.5", "number"),
        ("$80,000", "number"),
        ("3/4", "number"),
        ("B", "choice"),
        ("(c)", "choice"),
        ("yes", "choice"),
        ("x^2 + 1", "expression"),
        ("Paris", "short_text"),
        ("so it is 3 * 4 = 12\n#### 12", "marked"),
        (
            "A long answer that goes on and on, far beyond what anyone would compare letter by letter.",
            "long_text",
        ),
        ("", "none"),
        (None, "none"),
    ],
)
def test_answers_are_known_by_their_look(answer: str | None, kind: str):
    assert answer_type(answer) == kind


def test_scripts_go_by_letters():
    assert sorted(set(scripts_of("aé1 日本 ж"))) == ["CJK", "Cyrillic", "Latin"]
