"""A reward tried before training: on its rows' own answers, on others', on given completions."""

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.errors import UserError
from droid_tune.paths import resources_dir
from droid_tune.rewards.trials.agreement import agreement_in
from droid_tune.rewards.trials.trial import try_file
from droid_tune.trial_report import Agreement, Trial

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


def of(found: Trial, *sources: str) -> list[float | None]:
    return [one.reward for one in found.tries if one.source in sources]


def test_each_row_is_tried_with_answers_broken_completions_and_given_ones(tmp_path: Path, data: str) -> None:
    found = trial(tmp_path, EXACT, "3", data=data)
    cut = "Let me think about this step by step. The answer is"
    assert [(one.row, one.source, one.completion, one.reward) for one in found.tries] == [
        (0, "own answer", "2", 1.0),
        (0, "another row's answer", "3", 0.0),
        (0, "empty", "", 0.0),
        (0, "cut off", cut, 0.0),
        (0, "given", "3", 0.0),
        (1, "own answer", "3", 1.0),
        (1, "another row's answer", "2", 0.0),
        (1, "empty", "", 0.0),
        (1, "cut off", cut, 0.0),
        (1, "given", "3", 1.0),
    ]
    assert found.verdict.level == "good"
    assert found.verdict.text == "It gives the row's own answer more than another row's 2 of 2 times."
    # row 1: one right against four wrong; row 2: two right (its own, the given one) against three
    assert (found.agreement.agreeing, found.agreement.pairs) == (4 + 2 * 3, 10)
    assert found.ok


@pytest.mark.parametrize(
    ("body", "level", "sentence"),
    [
        (
            "return float(completion.isdigit())",
            "bad",
            "It gives 1 to another row's answer 2 of 2 times, as to the row's own: it cannot tell right from wrong.",
        ),
        (
            "return float(completion == '3')",
            "weak",
            "It gives 1 to another row's answer 1 of 2 times",
        ),
        (
            "return float(completion != row['answer'])",
            "bad",
            "It gives another row's answer more than the row's own 2 of 2 times: it may be upside down.",
        ),
        (
            "return float(completion in ('', row['answer']))",
            "bad",
            "It gives 1 to an empty completion 2 of 2 times: to say nothing would pay.",
        ),
        (
            "return float(completion == row['answer'] or 'think' in completion)",
            "weak",
            "It gives 1 to a completion that was cut off before its answer 2 of 2 times: to go on and on would pay.",
        ),
        ("return 0.5", "bad", "Every completion got 0.5: from equal rewards nothing can be learnt."),
        ("return None", "bad", "No reward applied to any completion: nothing could be learnt."),
        ("raise ValueError", "bad", "The reward failed on 8 of 8 completions."),
        (
            "return float(float(completion or 'x') == float(row['answer']))",
            "weak",
            "The reward failed on 4 of 8 completions.",
        ),
    ],
)
def test_the_verdict_says_in_words_what_the_numbers_mean(
    tmp_path: Path, data: str, body: str, level: str, sentence: str
) -> None:
    found = trial(tmp_path, f"def f(completion, row):\n    {body}\n", data=data).verdict
    assert found.level == level
    assert found.sentences[0].startswith(sentence), found.sentences


def test_a_kind_of_completion_on_which_a_reward_fails_is_named(tmp_path: Path, data: str) -> None:
    source = "def f(completion, row):\n    return float(completion[0] == row['answer'])\n"
    found = trial(tmp_path, source, data=data).verdict
    assert found.sentences[0] == "The reward failed on 2 of 8 completions, all of them empty."


def test_a_reward_that_wants_a_form_is_tried_in_that_form(tmp_path: Path, data: str) -> None:
    """Bare, its own answer and another row's get nothing: that would say nothing of whether it can tell them apart."""
    source = "def f(completion, row):\n    return float('{' + row['answer'] + '}' in completion)\n"
    found = trial(tmp_path, source, data=data)
    assert found.verdict.level == "good"
    assert found.tries[0].completion == "\\boxed{2}"
    assert found.notes[-1] == "Answers were tried as `\\boxed{…}`: bare ones get nothing."


def test_rows_without_answers_are_no_reason_to_call_a_reward_good(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "Hi"}\n{"prompt": "Ho"}\n')
    source = "def f(completion, row):\n    return float(len(completion))\n"
    found = trial(tmp_path, source, data=str(tmp_path)).verdict
    assert found.level == "unknown"
    assert "not known" in found.text


def test_agreement_counts_pairs_of_a_right_and_a_wrong_completion() -> None:
    """Right: 3, 1. Wrong: 0, 1, 2. 3 beats all three; 1 beats 0, equals 1, loses to 2."""
    told = [(True, 3.0), (True, 1.0), (False, 0.0), (False, 1.0), (False, 2.0), (None, 9.0), (True, None)]
    found = agreement_in(told)
    assert found == Agreement(agreeing=4, equal=1, against=1)
    assert "of 6 pairs" in found.sentence()
    assert "in 4 (67%), as much in 1, less in 1." in found.sentence()


def test_every_failure_is_shown_and_none_stops_the_trial(tmp_path: Path, data: str) -> None:
    found = trial(tmp_path, "def f(completion, row):\n    return 1 / 0\n", data=data)
    assert len(found.tries) == 8
    assert all("mine.py:2): ZeroDivisionError" in one.failures[0] for one in found.tries)


def test_the_rewards_of_a_config_can_be_tried(tmp_path: Path, data: str) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("rewards:\n- {type: accuracy}\n- {type: format, pattern: '^\\d$', weight: 0.5}\n")
    found = try_file(config, data)
    assert of(found, "own answer", "another row's answer") == [1.5, 0.5, 1.5, 0.5]
    assert found.tries[1].rewards == {"accuracy": 0.0, "format": 1.0}


def test_another_kind_of_file_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(UserError, match="no reward file"):
        try_file(tmp_path / "mine.txt", data)


def test_the_template_rewards_right_sentences_most(tmp_path: Path, data: str) -> None:
    found = try_file(resources_dir() / "reward_template.py", data, given=["It is 2.", "no idea"])
    assert of(found, "own answer") == [1.0, 1.0]
    assert of(found, "another row's answer", "empty", "cut off") == [0.0] * 6
    assert of(found, "given") == [1.1, 0.0, 0.1, 0.0]
    assert found.verdict.level == "good"


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
    assert "The last call of `user_file` printed:\nseen Let me think" in said
    assert (
        "Do not train with it alone. Every completion got 1: from equal rewards nothing can be learnt."
        in said
    )
    assert "The reward failed on 1 of 4 completions, all of them the rows' own answers." in said


def test_the_command_s_json_holds_every_number(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(EXACT)
    assert main(["test-reward", str(file), "--data", data, "--json", "--completion", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert [one["reward"] for one in document["tries"]] == [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert document["verdict"]["level"] == "good"
    assert document["agreement"]["against"] == 0


def test_a_count_below_1_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-reward", "mine.py", "--n", "0"]) == 2
    assert "`--n 0` must be at least 1" in capsys.readouterr().err
