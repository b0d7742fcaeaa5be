"""Folders, splits, warnings between files, progress and stopping."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.control import Watch
from droid_tune.data.formats.table import FORMATS, need_of, usable_formats
from droid_tune.data.issues import KEPT_IN_MEMORY
from droid_tune.data.mapping import mapped
from droid_tune.data.reading.discover import assigned
from droid_tune.data.splits import split_of
from droid_tune.data.validate import validate
from droid_tune.errors import Stopped, UsageError


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def ask(prompt: str, answer: str = "a") -> dict[str, str]:
    return {"prompt": prompt, "answer": answer}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("Training.JSON", "train"),
        ("val.csv", "valid"),
        ("validation.tsv.gz", "valid"),
        ("eval.parquet", "valid"),
        ("dev.jsonl", "valid"),
        ("test-00001-of-00003.parquet", "test"),
        ("train_0.jsonl", "train"),
        ("test_socratic.jsonl", None),
        ("train.txt", None),
        ("readme.md", None),
    ],
)
def test_splits_go_by_the_names_that_people_use(name: str, split: str | None):
    assert split_of(Path(name)) == split


def test_a_folder_gives_each_file_its_split_and_leaves_the_rest(tmp_path: Path):
    write(tmp_path / "train.jsonl", ask("1"))
    write(tmp_path / "val.jsonl", ask("2"))
    write(tmp_path / "notes.jsonl", "nonsense")
    write(tmp_path / ".train.jsonl", "nonsense")
    report = validate(tmp_path)
    assert [(Path(file.path).name, file.split) for file in report.files] == [
        ("train.jsonl", "train"),
        ("val.jsonl", "valid"),
    ]
    assert report.ok


def test_folders_named_for_splits_hold_their_files(tmp_path: Path):
    write(tmp_path / "train" / "0.jsonl", ask("1"))
    write(tmp_path / "train" / "1.jsonl", ask("2"))
    write(tmp_path / "test" / "0.jsonl", ask("3"))
    assert [(file.split, file.accepted) for file in validate(tmp_path).files] == [
        ("train", 1),
        ("train", 1),
        ("test", 1),
    ]


def test_a_folder_without_train_says_what_is_there(tmp_path: Path):
    write(tmp_path / "valid.jsonl", ask("1"))
    write(tmp_path / "mine.jsonl", ask("1"))
    report = validate(tmp_path)
    assert not report.usable
    errors = [file.error for file in report.files if file.error]
    assert [(error.reason, error.message) for error in errors] == [
        (
            "missing_train",
            "The folder has no train file, only mine.jsonl; rename the one to train on to train.jsonl, or choose that file.",
        )
    ]
    assert validate(tmp_path / "mine.jsonl").ok


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["sums.jsonl"], [("train", "sums.jsonl")]),
        (
            ["sums_train.jsonl", "sums_test.jsonl"],
            [("train", "sums_train.jsonl"), ("test", "sums_test.jsonl")],
        ),
        (["gsm8k-train.jsonl", "old.jsonl"], [("train", "gsm8k-train.jsonl")]),
        (["one.jsonl", "two.jsonl"], []),  # either may be meant
        (["sums_test.jsonl"], []),  # nothing to train on
    ],
)
def test_a_folder_whose_names_leave_no_doubt_is_read(
    names: list[str], read: list[tuple[str, str]], tmp_path: Path
):
    for name in names:
        write(tmp_path / name, ask("1"))
    report = validate(tmp_path)
    assert [(file.split, Path(file.path).name) for file in report.files if not file.error] == read
    assert report.usable is bool(read)


def test_an_empty_folder_is_one_sentence(tmp_path: Path):
    error = validate(tmp_path).files[0].error
    assert error is not None
    assert error.reason == "missing_train"


def test_a_folder_of_folders_names_those_that_have_a_train_file(tmp_path: Path):
    write(tmp_path / "notes" / "deep" / "train.jsonl", ask("1"))
    write(tmp_path / "easy" / "train.jsonl", ask("1"))
    error = validate(tmp_path).files[0].error
    assert error is not None
    assert error.message == "The folder has no train file itself; its folder `easy` has one: choose that."
    write(tmp_path / "hard" / "train" / "0.jsonl", ask("1"))
    error = validate(tmp_path).files[0].error
    assert error is not None
    assert "`easy`, `hard` in it have one each" in error.message


def test_a_copy_of_a_hub_data_set_is_read_where_its_files_are(tmp_path: Path):
    write(tmp_path / "data" / "train-00000-of-00001.jsonl", ask("1"))
    write(tmp_path / "data" / "test-00000-of-00001.jsonl", ask("2"))
    assert {(Path(one.path).name, one.split) for one in validate(tmp_path).files} == {
        ("train-00000-of-00001.jsonl", "train"),
        ("test-00000-of-00001.jsonl", "test"),
    }


def test_dropped_files_are_assigned_by_their_names():
    files = assigned([Path("a/valid.jsonl"), Path("b/rows.csv")])
    assert [one.split for one in files] == ["valid", "train"]


def test_prompts_of_valid_that_train_has_are_warned_about_with_both_lines(tmp_path: Path):
    write(tmp_path / "train.jsonl", ask("x"), "{bad", ask("y", "1"))
    write(tmp_path / "valid.jsonl", ask("z"), "", ask("y", "2"))
    issues = [issue for issue in validate(tmp_path).issues if issue.severity == "warning"]
    assert [(Path(issue.file).name, issue.line, issue.reason) for issue in issues] == [
        ("valid.jsonl", 3, "train_valid_overlap")
    ]
    assert "train.jsonl, line 3" in issues[0].message


def test_files_of_different_formats_are_warned_about(tmp_path: Path):
    write(tmp_path / "train.jsonl", ask("x"))
    write(tmp_path / "valid.jsonl", {"text": "other"})
    assert [issue.reason for issue in validate(tmp_path).issues] == ["mixed_schema"]


def test_rejected_rows_leave_the_data_usable_but_not_in_order(tmp_path: Path):
    report = validate(write(tmp_path / "a.jsonl", ask("x"), "{"))
    assert (report.usable, report.ok) == (True, False)
    assert validate(write(tmp_path / "b.jsonl", "{")).usable is False


def test_the_format_of_most_rows_is_the_files(tmp_path: Path):
    rows = [{"text": "odd"}, *(ask(str(number)) for number in range(5))]
    report = validate(write(tmp_path / "a.jsonl", *rows))
    assert report.files[0].format == "prompt_answer"
    assert [(issue.line, issue.reason) for issue in report.issues] == [
        (1, "schema_mismatch"),
        (1, "mixed_schema"),
    ]


def test_columns_of_other_names_come_with_a_proposal(tmp_path: Path):
    report = validate(write(tmp_path / "a.jsonl", {"problem": "x", "solution": "y"}), "grpo")
    assert report.to_json()["stats"]["proposed_mappings"] == {
        str(tmp_path / "a.jsonl"): {"prompt": "problem", "answer": "solution"}
    }
    assert "--map prompt=problem --map answer=solution" in next(iter(report.issues)).message


def test_a_column_with_a_space_is_proposed_as_a_shell_takes_it() -> None:
    assert mapped({"prompt": "Die Frage", "answer": "x"}) == "--map 'prompt=Die Frage' --map answer=x"


def test_a_mapping_of_no_field_is_refused_with_the_nearest(tmp_path: Path):
    with pytest.raises(UsageError, match="did you mean `prompt`"):
        validate(write(tmp_path / "a.jsonl", ask("x")), mapping={"promt": "query"})


def test_progress_is_reported_and_stopping_is_heard(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", *(ask(str(number)) for number in range(10)))
    heard: list[tuple[int, int, str]] = []
    validate(path, watch=Watch(lambda *said: heard.append(said)))
    size = path.stat().st_size
    assert heard[-1] == (size, size, str(path))
    with pytest.raises(Stopped):
        validate(path, watch=Watch(should_stop=lambda: True))


def test_the_streamed_report_is_the_same_document(tmp_path: Path):
    report = validate(write(tmp_path / "a.jsonl", ask("x"), "{", ask("x")))
    stream = io.StringIO()
    report.write_json(stream)
    assert json.loads(stream.getvalue()) == report.to_json()
    assert set(report.to_json()) == {
        "path",
        "ok",
        "files",
        "accepted",
        "rejected",
        "blank",
        "issues",
        "stats",
    }


def test_no_issue_is_lost_however_many_there_are(tmp_path: Path):
    count = KEPT_IN_MEMORY + 50
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "p", "answer": "a"}\n' + "{\n" * count + '{"prompt": "p", "answer": "a"}\n')
    issues = list(validate(path).issues)
    assert [issue.line for issue in issues] == list(range(2, count + 3))
    assert issues[-1].reason == "duplicate_row"


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_the_example_of_every_format_is_right(tmp_path: Path, one: Any):
    report = validate(write(tmp_path / "a.jsonl", one.example))
    assert (report.files[0].format, report.ok) == (one.name, True)


def test_which_method_uses_which_format_is_one_table():
    assert need_of("sft") == "demonstration"
    assert need_of("grpo") == need_of("dapo") == "prompt"
    assert "text" not in {one.name for one in usable_formats("prompt")}
    assert "prompts" not in {one.name for one in usable_formats("demonstration")}


@pytest.mark.parametrize(
    ("place", "name", "accepted"),
    [
        ("gsm8k/grpo", "prompt_answer", 8992),
        ("gsm8k/raw", "question_answer", 8792),
        ("gsm8k/chat", "messages", 8992),
        ("chain_sum", "prompt_answer", 2200),
        ("countdown", "prompt_answer", 2200),
        ("instruction/instruction-data.json", "instruction", 1100),
        ("instruction/instruction-data-with-preference.json", "instruction_preference", 1100),
        ("preference/en.jsonl", "preference", 300),
        ("preference/zh.jsonl", "preference", 300),
        ("wikisql_text", "text", 1200),
        ("poetry_zh", "text", 3002),
    ],
)
def test_real_data_is_taken_whole(shared_dir: Path, place: str, name: str, accepted: int):
    report = validate(shared_dir / "data" / place)
    assert (report.files[0].format, report.accepted, report.rejected) == (name, accepted, 0)
    assert report.ok
