"""verl's `compute_score(data_source, solution_str, ground_truth, extra_info)` as a reward file of the user's."""

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.rewards import UserFileReward
from droid_tune.rewards.base import Failed, Graded, Outcome, Sample
from droid_tune.rewards.user_file import UserFile
from droid_tune.rewards.workers.signature import UnknownSignature, read_signature

ROW = {
    "prompt": "2 + 2?",
    "data_source": "sums",
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"index": 7},
}


def score(folder: Path, body: str, row: dict[str, Any] | None = None, completion: str = "4") -> Outcome:
    file = folder / "mine.py"
    file.write_text(
        f"def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    {body}\n"
    )
    reward = UserFile(UserFileReward(path=str(file)), folder)
    try:
        return reward.score([Sample("2 + 2?", completion, ROW if row is None else row)])[0]
    finally:
        reward.close()


def test_the_row_is_handed_over_as_verl_does(tmp_path: Path) -> None:
    body = "return float((data_source, solution_str, ground_truth, extra_info) == ('sums', '4', '4', {'index': 7}))"
    assert score(tmp_path, body) == 1.0


def test_a_row_of_another_kind_has_its_answer_as_the_ground_truth(tmp_path: Path) -> None:
    assert score(tmp_path, "return float(solution_str == ground_truth)", {"answer": "4"}) == 1.0
    body = "return float((data_source, extra_info) == ('', {}))"
    assert score(tmp_path, body, {"answer": "4"}) == 1.0


def test_a_dictionary_gives_its_score_and_other_numbers_as_parts(tmp_path: Path) -> None:
    body = "return {'score': 0.5, 'acc': True, 'length': 3, 'pred': solution_str}"
    assert score(tmp_path, body) == Graded(0.5, {"acc": 1.0, "length": 3.0})
    assert score(tmp_path, "return {'score': 1}") == 1.0


def test_a_dictionary_without_a_score_is_a_failure(tmp_path: Path) -> None:
    outcome = score(tmp_path, "return {'acc': 1}")
    assert isinstance(outcome, Failed)
    assert "without a `score`" in outcome.message


def test_only_what_verl_passes_may_be_asked_for() -> None:
    def wants_more(data_source: str, solution_str: str, ground_truth: str, threshold: float) -> float:
        return threshold

    def wants_less(solution_str: str, ground_truth: str, **_: Any) -> float:
        return float(solution_str == ground_truth)

    assert read_signature(wants_less).style == "verl"
    with pytest.raises(UnknownSignature, match="threshold"):
        read_signature(wants_more)
