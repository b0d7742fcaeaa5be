"""`test-reward REWARD --cases FILE`: pairs scored one by one, each with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli import main
from droid_tune.errors import UserError
from droid_tune.rewards.base import EachReward
from droid_tune.rewards.cases import read_case, read_cases, score_cases
from droid_tune.rewards.combine import RewardSet, WeighedReward
from droid_tune.rewards.reasoning_gym import SCORED_BY_RULES, why_no_answer

CASES: list[dict[str, Any]] = [
    {"answer": "7", "completion": "The answer is 17."},
    {"answer": "7", "completion": "Seven.</think>7", "prompt_ends": "<think>\n"},
    {"answer": "7", "completion": "7", "prompt_ends": "<think>\n"},
    {"answer": "7", "completion": "It is 7", "finish_reason": "length"},
    {"completion": "7"},
    {"answer": None, "completion": "x", "metadata": {"source_dataset": "rush_hour"}},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in CASES), encoding="utf-8")
    return path


def test_each_case_is_a_line_with_its_reward_and_why(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-reward", "accuracy", "--cases", str(file), "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"reward": 0.0, "why": "answer read: 17, expected 7"},
        {"reward": 1.0, "why": "answer read: 7"},
        {"reward": 0.0, "why": "thoughts never ended"},
        {"reward": 0.0, "why": "no answer found; it was cut off, expected 7"},
        {"reward": None, "why": "no reward applies: the row has no `answer`"},
        {
            "reward": None,
            "why": "Reasoning Gym's `rush_hour` has no answer of its own: only its scorer knows what is right",
        },
    ]


def test_people_get_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-reward", "accuracy", "--cases", str(file)]) == 0
    assert "answer read: 17, expected 7" in capsys.readouterr().out


def test_the_rewards_of_a_config_add_up_and_a_failure_is_null(tmp_path: Path, file: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("rewards:\n- {type: accuracy}\n- {type: format, pattern: 'answer', weight: 0.5}\n")
    judged = score_cases(config, read_cases(file)[:2])
    assert [one.reward for one in judged] == [0.5, 1.0]
    assert judged[0].why == "accuracy: answer read: 17, expected 7; format: the pattern was found"
    mine = tmp_path / "mine.py"
    mine.write_text("def f(completion, row, prompt_ends):\n    return 1 / len(prompt_ends)\n")
    failed, scored = score_cases(mine, read_cases(file)[:2])
    assert (failed.reward, failed.failed, scored.reward) == (None, True, 0.125)  # <think> and a line end: 8
    assert "ZeroDivisionError" in failed.why


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ('{"answer": "1"}', "`completion` is no text"),
        ('{"completion": "1", "finish_reason": "eos"}', "neither stop nor length"),
    ],
)
def test_a_line_that_is_no_case_is_named(line: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_case(line, "cases.jsonl:3")
    assert caught.value.place == "cases.jsonl:3"


def test_a_reward_that_must_be_told_more_is_refused(file: Path) -> None:
    with pytest.raises(UserError, match="needs model"):
        score_cases(Path("model"), read_cases(file))


def test_reasoning_gym_s_tasks_without_answers_are_named() -> None:
    rows = [{"answer": None, "metadata": {"source_dataset": task}} for task in sorted(SCORED_BY_RULES)]
    rewards = RewardSet([WeighedReward("accuracy", 1.0, EachReward(lambda _: None, needs=("answer",)))])
    with pytest.raises(
        UserError, match="Reasoning Gym's boxnet, graph_color, propositional_logic, rubiks_cube"
    ):
        rewards.check_rows(rows)
    assert why_no_answer({"answer": "5", "metadata": {"source_dataset": "rush_hour"}}) == ""
    assert why_no_answer({"answer": None, "metadata": {"source_dataset": "basic_arithmetic"}}) == ""


def test_a_reward_file_may_begin_with_a_mark_of_byte_order_and_none_is_told_as_its_word(
    tmp_path: Path,
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("\ufeffdef f(completion, row):\n    return None\n", encoding="utf-8")
    (judged,) = score_cases(mine, [read_case('{"answer": "4", "completion": "4"}', "cases.jsonl:1")])
    assert (judged.reward, judged.why) == (None, "no reward applies: each of them gave None")
