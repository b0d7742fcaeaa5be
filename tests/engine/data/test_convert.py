"""Whatever is converted is right by our own rules, and what it holds is kept, said, or left out with the reason."""

from __future__ import annotations

import errno
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.editing.convert import TARGETS, convert, write_rows
from droid_tune.data.formats.base import Row
from droid_tune.data.formats.table import FORMATS
from droid_tune.data.synthetic.samples import write_sample
from droid_tune.data.validate import validate
from droid_tune.errors import UserError

USER, BOT = {"role": "user", "content": "u-text"}, {"role": "assistant", "content": "a-text"}
CALL = {"type": "function", "function": {"name": "f-name", "arguments": {"k": "v-text"}}}
TOOLS = [{"type": "function", "function": {"name": "f-name"}}]

RICH: dict[str, Row] = {
    "system": {"messages": [{"role": "system", "content": "s-text"}, USER, BOT]},
    "turns": {"messages": [USER, BOT, {"role": "user", "content": "u2-text"}, {**BOT, "content": "a2-text"}]},
    "open end": {"messages": [USER, BOT, {"role": "user", "content": "u2-text"}]},
    "thoughts": {"messages": [USER, {**BOT, "reasoning_content": "t-text"}]},
    "weights": {"messages": [USER, {**BOT, "weight": 0}, USER, {**BOT, "content": "a2-text"}]},
    "calls": {
        "messages": [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "r-text"},
            BOT,
        ],
        "tools": TOOLS,
    },
    "a call at the end": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}]},
    "a reference": {"messages": [USER, BOT], "answer": "r-text"},
    "a reference alone": {"messages": [USER], "answer": "r-text"},
    "begun by the model": {"messages": [BOT, USER, {**BOT, "content": "a2-text"}]},
    "only the model": {"messages": [BOT]},
    "a developer": {"messages": [{"role": "developer", "content": "d-text"}, USER, BOT]},
    "settings": {"prompt": "p-text", "answer": "a-text", "chat_template_kwargs": {"x": "k-text"}},
    "several answers": {"prompt": "p-text", "answer": ["a-text", "a2-text"]},
    "history": {
        "instruction": "i-text",
        "input": "n-text",
        "output": "o-text",
        "history": [["h-text", "h2-text"]],
    },
    "verl": {"prompt": [USER], "reward_model": {"ground_truth": "g-text"}, "data_source": "d-text"},
    "turns as completion": {"prompt": [USER], "completion": [{**BOT, "reasoning_content": "t-text"}]},
    "a completion and an answer": {"prompt": "p-text", "completion": "c-text", "answer": "a-text"},
    "pairs of turns": {"prompt": [USER], "chosen": [BOT], "rejected": [{**BOT, "content": "r-text"}]},
    "columns of other names": {
        "question": "q-text",
        "answer": "a-text",
        "text": "x-text",
        "output": "o-text",
    },
    "a column of turns": {"text": "x-text", "history": "h-text"},
}
ROWS = {**{one.name: {**one.example, "id": "id-text"} for one in FORMATS}, **RICH}
#: Words that say what a thing is, and not what it holds.
KINDS = {"function", "textarea", "user", "assistant", "system", "tool", "human", "gpt", "developer"}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str) and value not in KINDS:
        yield value


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_lost_in_silence_and_the_result_is_valid(tmp_path: Path, name: str, target: str):
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[name]) + "\n")
    method = "grpo" if name in ("a reference alone", "only the model") else None
    try:
        written = convert(open_dataset(tmp_path / "a.jsonl", method), target, tmp_path / "out")
    except UserError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert re.search(rf"No row can be written as {target}: .+", said)
        return
    report = validate(tmp_path / "out")
    assert (report.ok, report.files[0].format) == (True, target)
    [new] = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    kept = "\n".join(texts(new))
    missing = {text for text in texts(ROWS[name]) if text not in kept}
    assert not missing or written.said_lost


def test_what_is_lost_is_said_with_its_rows(tmp_path: Path):
    row = {"messages": [USER, BOT, USER, {**BOT, "content": "a2-text"}]}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n")
    written = convert(open_dataset(tmp_path / "a.jsonl"), "prompt_completion", tmp_path / "out")
    assert written.said_lost == ["In 2 rows earlier answers are read and no longer learnt."]


def test_a_history_comes_back_as_a_history(tmp_path: Path):
    row = RICH["history"]
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    convert(open_dataset(tmp_path / "a.jsonl"), "messages", tmp_path / "b")
    convert(open_dataset(tmp_path / "b"), "instruction", tmp_path / "c")
    [new] = [json.loads(line) for line in (tmp_path / "c" / "train.jsonl").read_text().splitlines()]
    assert new == {"instruction": "i-text\n\nn-text", "output": "o-text", "history": [["h-text", "h2-text"]]}


def test_calls_come_back_from_sharegpt(tmp_path: Path):
    row = RICH["calls"]
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    convert(open_dataset(tmp_path / "a.jsonl"), "conversations", tmp_path / "b")
    convert(open_dataset(tmp_path / "b"), "messages", tmp_path / "c")
    [new] = [json.loads(line) for line in (tmp_path / "c" / "train.jsonl").read_text().splitlines()]
    assert new == row


def test_answers_in_a_prompt_stay_context_and_a_begun_answer_is_told(tmp_path: Path):
    row = {"prompt": [USER, BOT, USER], "completion": [{**BOT, "content": "a2-text"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    convert(open_dataset(tmp_path / "a.jsonl"), "messages", tmp_path / "out")
    [new] = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert [turn.get("weight") for turn in new["messages"]] == [None, 0, None, None]
    (tmp_path / "b.jsonl").write_text(json.dumps({"prompt": [USER, BOT], "completion": [BOT]}) + "\n")
    written = convert(open_dataset(tmp_path / "b.jsonl"), "messages", tmp_path / "begun")
    assert written.said_lost == ["In 1 row what begins the answer in the prompt is learnt with it."]


@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")], ids=["killed", "full"]
)
def test_a_writing_that_is_cut_off_leaves_no_data_and_the_next_one_has_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    """Killed: nothing tidies up behind it. Of train and valid only one would have been taken for all there is."""
    out, real, cut = tmp_path / "out", Path.replace, 0
    for cut in range(1, 9):
        calls = itertools.count(1)

        def replace(path: Path, target: Path, number: int = cut, counted: Any = calls) -> Path:
            if next(counted) == number:
                raise fault
            return real(path, target)

        with monkeypatch.context() as patched, suppress(KeyboardInterrupt, UserError):
            patched.setattr(Path, "replace", replace)
            patched.setattr(shutil, "rmtree", lambda *_, **__: None)
            write_sample("sft", out)
            break
        assert not (out / "train.jsonl").exists()
        write_sample("sft", out)
        assert sorted(one.name for one in out.iterdir()) == ["train.jsonl", "valid.jsonl"]
        shutil.rmtree(out)
    assert cut == 5


def test_what_stands_there_is_only_taken_back_where_a_move_was_cut_off(tmp_path: Path) -> None:
    write_sample("sft", tmp_path)
    whole = (tmp_path / "train.jsonl").read_bytes()
    for listed in (
        '["valid.jsonl", "train.jsonl"]',
        '["../x", 3]',
        "{",
        "7",
    ):  # all were moved, or nobody's list
        (tmp_path / ".moving").write_text(listed)
        with pytest.raises(UserError, match="not empty"):
            write_sample("sft", tmp_path)
        assert (tmp_path / "train.jsonl").read_bytes() == whole


def test_a_list_that_a_kill_left_behind_whole_data_costs_none_of_it(tmp_path: Path) -> None:
    write_sample("sft", tmp_path)
    (tmp_path / ".moving").write_text('["valid.jsonl", "train.jsonl"]')
    (tmp_path / "valid.jsonl").unlink()  # its owner holds out no rows
    with pytest.raises(UserError, match="not empty"):
        write_sample("sft", tmp_path)
    assert (tmp_path / "train.jsonl").exists()


def test_a_file_of_rows_is_written_beside_what_a_kill_left(tmp_path: Path) -> None:
    (tmp_path / ".o.jsonl.999999999.tmp").write_text("half")
    (tmp_path / ".mine.999999999.tmp").write_text("kept")
    assert write_rows(tmp_path / "o.jsonl", [{"a": 1}]) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [".mine.999999999.tmp", "o.jsonl"]
