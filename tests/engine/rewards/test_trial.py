"""A reward tried before training: on its rows' own answers, on others', on given completions."""

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.errors import UserError
from droid_tune.paths import resources_dir
from droid_tune.rewards.trial import Trial, try_file

ROWS = [{"prompt": "1 + 1?", "answer": "2"}, {"prompt": "1 + 2?", "answer": "3"}]
EXACT = "def f(completion, row):\n    return float(completion == row['answer'])\n"


@pytest.fixture
def data(tmp_path: Path) -> str:
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(tmp_path)


def trial(tmp_path: Path, source: str, *given: str, data: str) -> Trial:
    file = tmp_path / "mine.py"
    file.write_text(source)
    return try_file(file, data, given=given)


def test_each_row_is_tried_with_its_own_and_another_answer_and_the_given_ones(
    tmp_path: Path, data: str
) -> None:
    found = trial(tmp_path, EXACT, "3", data=data)
    assert [(one.row, one.source, one.completion, one.reward) for one in found.tries] == [
        (0, "own answer", "2", 1.0),
        (0, "another row's answer", "3", 0.0),
        (0, "given", "3", 0.0),
        (1, "own answer", "3", 1.0),
        (1, "another row's answer", "2", 0.0),
        (1, "given", "3", 1.0),
    ]
    assert found.notes == []
    assert found.ok


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("return 0.5", "Every completion got 0.5: from equal rewards nothing can be learnt."),
        ("return None", "No reward applied to any completion: nothing could be learnt."),
        ("return float(completion != row['answer'])", "the reward may be upside down."),
        ("raise ValueError", "The reward failed on 4 of 4 completions."),
    ],
)
def test_what_the_numbers_say_is_said_in_words(tmp_path: Path, data: str, body: str, note: str) -> None:
    found = trial(tmp_path, f"def f(completion, row):\n    {body}\n", data=data)
    assert any(said.endswith(note) for said in found.notes), found.notes


def test_every_failure_is_shown_and_none_stops_the_trial(tmp_path: Path, data: str) -> None:
    found = trial(tmp_path, "def f(completion, row):\n    return 1 / 0\n", data=data)
    assert len(found.tries) == 4
    assert all("mine.py:2): ZeroDivisionError" in one.failures[0] for one in found.tries)


def test_the_rewards_of_a_config_can_be_tried(tmp_path: Path, data: str) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("rewards:\n- {type: accuracy}\n- {type: format, pattern: '^\\d$', weight: 0.5}\n")
    found = try_file(config, data)
    assert [one.reward for one in found.tries] == [1.5, 0.5, 1.5, 0.5]
    assert found.tries[1].rewards == {"accuracy": 0.0, "format": 1.0}


def test_another_kind_of_file_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(UserError, match="no reward file"):
        try_file(tmp_path / "mine.txt", data)


def test_the_template_rewards_right_sentences_most(tmp_path: Path, data: str) -> None:
    found = try_file(resources_dir() / "reward_template.py", data, given=["It is 2.", "no idea"])
    assert [one.reward for one in found.tries[:4]] == [1.0, 0.0, 1.1, 0.0]


def test_the_command_prints_a_table_and_fails_with_the_reward(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def f(completion, row):\n    print('seen', completion)\n    return 1 / (completion != '2')\n"
    )
    assert main(["test-reward", str(file), "--data", data, "--n", "1"]) == 1
    said = capsys.readouterr().out
    assert "own answer" in said
    assert "mine.py:3): ZeroDivisionError: division by zero" in said
    assert "The last call of `user_file` printed:\nseen 3" in said


def test_the_command_s_json_holds_every_number(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(EXACT)
    assert main(["test-reward", str(file), "--data", data, "--json", "--completion", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert [one["reward"] for one in document["tries"]] == [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]


def test_a_count_below_1_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-reward", "mine.py", "--n", "0"]) == 2
    assert "`--n 0` must be at least 1" in capsys.readouterr().err
