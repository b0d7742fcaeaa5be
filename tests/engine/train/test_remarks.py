"""What was left out, and what is missing, is told before the first step."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.data.validate import validate
from droid_tune.errors import UserError
from droid_tune.train.assembly import rewards_of
from droid_tune.train.diagnosis.remarks import (
    remark_on_rewards,
    remark_on_rows,
    remark_on_template,
    remark_on_verdicts,
)


class Heard:
    def __init__(self) -> None:
        self.notices: list[tuple[str, str, str]] = []

    def __call__(self, code: str, text: str, remedy: str = "", *, level: str = "warning") -> None:
        self.notices.append((level, code, text))


def test_rejected_rows_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    file, heard = tmp_path / "train.jsonl", Heard()
    good = json.dumps({"prompt": "1 + 1?", "answer": "2"})
    file.write_text(f'{good}\n{{"prompt": "x", answer}}\n{good}\n')
    remark_on_rows(validate(file, "grpo"), heard)
    ((level, code, text),) = heard.notices
    assert (level, code) == ("warning", "rows_rejected")
    assert text.startswith(f"1 of 3 rows are left out. The first: {file}:2: This is not valid JSON")


def test_data_in_order_needs_no_remark(tmp_path: Path) -> None:
    file, heard = tmp_path / "train.jsonl", Heard()
    file.write_text(json.dumps({"prompt": "1 + 1?", "answer": "2"}) + "\n")
    remark_on_rows(validate(file, "grpo"), heard)
    assert heard.notices == []


def policy_with(template: bool) -> Any:
    return SimpleNamespace(tokenizer=SimpleNamespace(has_chat_template=template), path=Path("model"))


def test_a_model_without_a_chat_template_is_told_of() -> None:
    heard = Heard()
    remark_on_template(policy_with(template=False), [{"prompt": "1 + 1?"}], heard)
    assert [code for _, code, _ in heard.notices] == ["no_chat_template"]


def test_turns_of_a_chat_need_a_chat_template() -> None:
    heard, rows = Heard(), [{"prompt": [{"role": "user", "content": "1 + 1?"}]}]
    remark_on_template(policy_with(template=True), rows, heard)
    with pytest.raises(UserError, match="no chat template"):
        remark_on_template(policy_with(template=False), rows, heard)
    assert heard.notices == []


def test_rows_from_which_a_reward_can_teach_nothing_are_told_of() -> None:
    heard = Heard()
    config = resolve({"rewards": [{"type": "accuracy"}, {"type": "length", "target": 8}]})
    rows = [{"prompt": "1 + 1?", "answer": "2"}, {"prompt": "2 + 2?"}, {"prompt": "3 + 3?", "answer": ""}]
    with rewards_of(config) as rewards:
        remark_on_rewards(rewards, rows, heard)
        remark_on_rewards(rewards, rows[:1], heard)
    ((level, code, text),) = heard.notices
    assert (level, code) == ("warning", "rows_without_column")
    assert text == (
        "2 of the first 3 training rows have no `answer`: they are not usable for the reward `accuracy`, "
        "which does not apply there."
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([True, True], "All of the first 2 answers are marked good"),
        ([False] * 3, "are marked bad"),
        ([True, False], ""),
    ],
)
def test_verdicts_that_are_all_equal_are_told_of(labels: list[bool], told: str) -> None:
    heard = Heard()
    remark_on_verdicts([{"prompt": "Hi", "answer": "Yes", "label": label} for label in labels], heard)
    assert [code for _, code, _ in heard.notices] == (["verdicts_all_equal"] if told else [])
    assert not told or told in heard.notices[0][2]
