"""What is not read of sound rows is said, once a file, with its share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.validate import validate
from tests.engine.data.parquet_files import parquet_bytes

USER = {"role": "user", "content": "1 + 1?"}
PROSE = {"role": "assistant", "content": "We add both."}


def notes(
    tmp_path: Path, method: str | None, *rows: Any, name: str = "train.jsonl", **mapping: str
) -> list[str]:
    path = tmp_path / name
    if name.endswith(".parquet"):
        path.write_bytes(parquet_bytes(list(rows)))
    elif name.endswith(".json"):
        path.write_text(json.dumps(list(rows)))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return validate(path, method, mapping).files[0].notes


def test_what_a_question_needs_and_the_model_does_not_see_is_named(tmp_path: Path):
    row = {"question": "Who sang?", "context": "Ann sang.", "answer": "Ann", "id": 1}
    [note] = notes(tmp_path, "grpo", row)
    assert note.startswith("The model does not see `context` (all rows): ")
    assert notes(tmp_path, "grpo", {"question": "Who?", "answer": "Ann", "id": 1}) == []


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.parquet"])
def test_columns_that_sft_does_not_read_are_named_with_their_share(tmp_path: Path, name: str):
    rows = [{"prompt": "?", "answer": "a", "id": 1}, {"prompt": "?!", "answer": "b", "id": 2, "notes": "n"}]
    rows = rows if name != "train.parquet" else [{"notes": "m", **rows[0]}, rows[1]]
    share = "all rows" if name == "train.parquet" else "50% of the rows"
    [note] = notes(tmp_path, "sft", *rows, name=name)
    assert note.startswith("Not read by SFT: ")
    assert f"`notes` ({share})" in note
    assert "`id` (all rows)" in note


def test_rewards_may_ask_for_any_column_so_nothing_is_said_of_them(tmp_path: Path):
    row = {"prompt": "?", "answer": "a", "id": 1}
    assert notes(tmp_path, "grpo", row) == []
    assert notes(tmp_path, None, row) == [
        "Not read by any method: `id` (all rows); only rewards can ask for them."
    ]


def test_rows_that_are_read_whole_need_no_note(tmp_path: Path):
    tools = [{"type": "function", "function": {"name": "f"}}]
    history = [["2?", "2"]]
    assert notes(tmp_path, "sft", {"messages": [USER, PROSE], "tools": tools}) == []
    assert notes(tmp_path, "sft", {"instruction": "?", "output": "!", "history": history}) == []


def test_keys_of_turns_that_nobody_reads_are_named(tmp_path: Path):
    turns = [{**USER, "emotion": "sad"}, {**PROSE, "emotion": "glad", "weight": 1, "reasoning_content": "!"}]
    assert notes(tmp_path, "sft", {"messages": turns}) == [
        "Turns have keys that are not read: `emotion` (2)."
    ]


def test_words_beside_a_reference_are_said_not_to_be_used(tmp_path: Path):
    rows = [{"messages": [USER, PROSE], "answer": "2"}, {"messages": [USER, PROSE]}]
    assert notes(tmp_path, "grpo", *rows) == [
        "The assistant's last words are not used in 50% of the rows: `answer` is the reference."
    ]
    assert notes(tmp_path, "sft", *rows) == ["Not read by SFT: `answer` (50% of the rows)."]


def test_rows_without_an_answer_are_counted_for_methods_that_reward(tmp_path: Path):
    rows = [{"messages": [USER]}, {"messages": [USER], "answer": "2"}]
    [note] = notes(tmp_path, "grpo", *rows)
    assert note.startswith("There is no answer in 50% of the rows")
    assert notes(tmp_path, "grpo", {"prompt": "Write."})[0].startswith("No row has an answer")


def test_what_is_read_under_another_name_is_said(tmp_path: Path):
    row = {"prompt": "?", "reward_model": {"ground_truth": "2"}}
    assert notes(tmp_path, "grpo", row) == ["`reward_model.ground_truth` is read as `answer` in all rows."]


def test_a_column_of_that_name_which_holds_something_else_is_not_said_to_be_read(tmp_path: Path) -> None:
    alpaca = {"instruction": "Add them.", "input": "2 and 3", "output": "5"}
    assert notes(tmp_path, "sft", alpaca) == []  # `input.tools` is a field of an object, which a text has not
    assert notes(tmp_path, "grpo", {"prompt": "2 and 3?", "reward_model": "skywork"}) == [
        "No row has an answer: rewards that compare with one cannot score them."
    ]
    asked = {"prompt": "2 and 3?", "completion": "5", "functions": None}
    assert notes(tmp_path, "sft", asked) == []  # nothing is there to be read
    assert notes(tmp_path, "sft", {"prompt": "?", "completion": "5", "input": {"x": 1}})[0] == (
        "Not read by SFT: `input` (all rows)."
    )


def test_a_column_is_said_to_be_read_in_the_rows_that_it_is_read_in(tmp_path: Path) -> None:
    plain, tools = {"prompt": "2 and 3?", "completion": "5"}, [{"name": "add", "parameters": {}}]
    given = [{**plain, "functions": tools}, {**plain, "functions": None}, {**plain, "functions": None}]
    assert notes(tmp_path, "sft", *given) == [
        "`functions` is read as `tools` in 33% of the rows.",
    ]


def test_a_bare_result_beside_the_answer_is_told(tmp_path: Path):
    [note] = notes(tmp_path, "grpo", {"prompt": "?", "answer": "We add both.", "final_answer": "2"})
    assert note.startswith(
        "`answer` is what rewards compare with, not `final_answer` (all rows): add --map answer=final_answer"
    )


def test_several_answers_are_said_where_one_is_learnt(tmp_path: Path):
    row = {"prompt": "?", "answer": ["4", "four"]}
    assert notes(tmp_path, "sft", row) == [
        "There are several right answers in all rows; SFT learns the first."
    ]
    assert notes(tmp_path, "grpo", row) == []


def test_a_system_text_that_the_turns_replace_is_said(tmp_path: Path):
    turns = [{"role": "system", "content": "S"}, USER, PROSE]
    assert notes(tmp_path, "sft", {"messages": turns, "system": "T"}) == [
        "The column `system` is not read in all rows: the turns have a system text of their own."
    ]


def test_a_mapping_of_a_field_that_the_rows_do_not_have_is_said(tmp_path: Path):
    [note] = notes(tmp_path, "grpo", {"prompt": "?", "answer": "a"}, chosen="other")
    assert note.startswith("The mapping of `chosen` is not used")


def test_notes_are_in_the_report(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"prompt": "?", "answer": "a", "id": 1}\n')
    report = validate(path, "sft")
    assert report.notes == report.to_json()["files"][0]["notes"] == ["Not read by SFT: `id` (all rows)."]


def test_a_duplicate_with_its_keys_in_another_order_is_a_duplicate(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    path.write_text(
        '{"prompt": "p", "answer": "a", "m": {"x": 1, "y": 2}}\n'
        '{"answer":"a", "m":{"y":2,"x":1}, "prompt":"\\u0070"}\n'
    )
    assert [(issue.line, issue.reason) for issue in validate(path).issues] == [(2, "duplicate_row")]


def test_rows_taken_out_of_a_broken_one_are_said(tmp_path: Path):
    path = tmp_path / "train.json"
    path.write_text('[{"prompt": "a", "answer": "1"}, {"x": {"prompt": "b", "answer": "2"}]')
    file = validate(path).files[0]
    assert file.accepted == 2
    assert file.notes[0].startswith("1 row came from inside or behind a row that is never closed")


def test_two_train_files_of_one_name_are_said(tmp_path: Path):
    (tmp_path / "train.jsonl").write_text('{"prompt": "a", "answer": "1"}\n')
    (tmp_path / "train.csv").write_text("prompt,answer\na,1\n")
    assert "train.csv and train.jsonl are both read" in " ".join(validate(tmp_path).notes)


def test_pairs_name_the_methods_and_the_mapping_that_can_use_them(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"prompt": "p", "chosen": "c", "rejected": "r"}\n')
    error = validate(path, "sft").files[0].error
    assert error is not None
    assert "such rows are for DPO, SimPO, ORPO, KTO, " in error.message
    assert "GSPO" not in error.message
    assert "--map completion=chosen" in error.message
    assert validate(path, "sft", {"completion": "chosen"}).ok
    assert "GRPO compares no pairs" in validate(path, "grpo").files[0].notes[0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train.jsonl", "training.jsonl"], "train.jsonl and training.jsonl are both read"),
        (["train.jsonl", "dev.jsonl", "val.jsonl"], "dev.jsonl and val.jsonl are both read"),
        (["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"], ""),
        (["train/a.jsonl", "train/b.jsonl"], ""),
    ],
)
def test_two_files_for_one_split_are_told_but_parts_of_one_are_not(
    names: list[str], said: str, tmp_path: Path
) -> None:
    for number, name in enumerate(names):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'{{"prompt": "{number}", "answer": "1"}}\n')
    notes = " ".join(validate(tmp_path).notes)
    assert (said in notes) if said else ("both read" not in notes)


def test_pairs_that_teach_nothing_or_the_wrong_thing_are_told(tmp_path: Path):
    pair = {"prompt": "?", "chosen": "a", "rejected": "b"}
    alike, turned = {**pair, "rejected": "a"}, {**pair, "score_chosen": 2.0, "score_rejected": 8.0}
    said = notes(tmp_path, "dpo", pair, alike, turned, turned)
    assert (
        "The chosen and the rejected answer are the same in 25% of the rows: such pairs teach nothing."
        in said
    )
    assert any(
        note.startswith("The rejected answer has the higher score in 50% of the rows") for note in said
    )
    assert notes(tmp_path, "dpo", pair) == []


def test_an_answer_that_counts_the_choices_is_told(tmp_path: Path):
    row = {"question": "Which?", "choices": ["a", "b"], "answer": 1}
    said = notes(tmp_path, "grpo", row)
    assert any(
        note.startswith("The answer is the place of a choice, counted from 0, in all rows") for note in said
    )
    assert len(notes(tmp_path, "grpo", {**row, "answer": "b"})) == 1


def test_rows_of_another_kind_are_told_the_mapping_that_helps(tmp_path: Path):
    (tmp_path / "train.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    error = validate(tmp_path / "train.jsonl", "sft").files[0].error
    assert error is not None
    assert error.message.endswith("; or map columns, perhaps by --map completion=response.")


def test_labels_that_say_an_answer_is_bad_are_told_where_answers_are_imitated(tmp_path: Path) -> None:
    rows = [{"prompt": "1?", "completion": "2", "label": good} for good in (True, False, "False", True)]
    said = notes(tmp_path, "sft", *rows)
    assert (
        "A label is false in 50% of the rows, and SFT learns them like the others: leave them out where it means a bad answer, "
        "or train by KTO." in said
    )
    assert not any("label is false" in note for note in notes(tmp_path, "kto", *rows))
    classes = [{"prompt": "1?", "completion": "2", "label": number} for number in (0, 1)]
    assert not any("label is false" in note for note in notes(tmp_path, "sft", *classes))


def test_tools_that_stand_in_the_system_text_and_in_a_column_are_told(tmp_path: Path) -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    ]
    turns = [
        {"from": "system", "value": "You may call <tools>f</tools>."},
        {"from": "human", "value": "Well?"},
        {"from": "gpt", "value": "Yes."},
    ]
    rows = [
        {"conversations": turns, "tools": json.dumps(tools)},
        {"conversations": turns, "tools": "[]"},
        {"conversations": turns[1:], "tools": json.dumps(tools)},
        {"conversations": turns},
    ]
    assert [note for note in notes(tmp_path, "sft", *rows) if "names its tools" in note] == [
        "The first turn names its tools (`<tools>`) in 25% of the rows that have them in a column too: the model's template "
        "may show both. Remove one of them."
    ]


def test_what_answers_that_are_imitated_need_and_the_model_does_not_see_is_told(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "choices": ["a", "b"], "answer": 1, "subject": "s"}] * 2
    said = notes(tmp_path, "sft", *rows)
    assert (
        "The model does not see `choices` (all rows). Write it into the prompt where the question needs it."
        in said
    )
    assert (
        "The answer is the place of a choice, counted from 0, in all rows: SFT learns that number. Write the letter or the text "
        "that the prompt asks for." in said
    )


def test_a_worked_answer_that_is_not_learnt_is_told(tmp_path: Path) -> None:
    row = {"question": "2+2?", "solution": "Two and two are four.", "answer": "4"}
    assert (
        "SFT learns `answer`, not `solution` (all rows): add --map answer=solution where that is what the model should write."
        in notes(tmp_path, "sft", row)
    )
    assert not any("should write" in note for note in notes(tmp_path, "grpo", row))
    messages = {"messages": [USER, PROSE], "solution": "?"}
    assert not any("should write" in note for note in notes(tmp_path, "sft", messages))


def test_texts_whose_label_or_speaker_is_not_learnt_are_told(tmp_path: Path) -> None:
    assert (
        "SFT learns the texts alone, not `label` (all rows): add --map prompt=text --map completion=label where it is the answer."
        in notes(tmp_path, "sft", {"text": "I love it.", "label": "good"})
    )
    turn = {"message_id": "a", "parent_id": None, "text": "Who sang?", "role": "prompter"}
    assert (
        "Each row seems to be one turn of a conversation (`role` (all rows)), and its text is learnt by itself, questions "
        "too: put the turns of a conversation into one row of `messages`."
    ) in notes(tmp_path, "sft", turn)
    assert notes(tmp_path, "sft", {"text": "Ann sang."}) == []
