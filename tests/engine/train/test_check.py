"""The signal check on the starter, and what its numbers mean in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from droid_tune.check.signal_check import check_signal
from droid_tune.config import resolve
from droid_tune.control import Control
from droid_tune.errors import Stopped, UserError
from droid_tune.estimate.forecast import calibration_for
from droid_tune.estimate.signal import Answer, Group, Measured, report_of
from droid_tune.events import Phase
from droid_tune.train.training_session import TrainingSession
from tests.engine.train.conftest import tiny

RIGHT, WRONG = (
    Answer("4", 1.0, {"accuracy": 1.0}, 3, False, True),
    Answer("5", 0.0, {"accuracy": 0.0}, 3, False, False),
)
CUT = replace(WRONG, text="well", cut=True)


def group(*answers: Answer) -> Group:
    return Group(0, "2 + 2?", "4", answers)


def measured(*groups: Group, **changes: object) -> Measured:
    plain = Measured(groups, 0.1, 1.0, True, 5, 10, 6, 2.0, 120.0)
    return replace(plain, **changes)  # pyright: ignore


def test_rates_are_counted_by_completion_and_by_prompt() -> None:
    report = report_of(measured(group(RIGHT, WRONG), group(WRONG, WRONG), group(RIGHT, RIGHT)), resolve({}))
    assert report.pass_rate == 0.5  # 3 of 6
    assert report.pass_at_group == pytest.approx(2 / 3)
    assert report.flat_share == pytest.approx(2 / 3)
    assert (report.too_hard_share, report.too_easy_share) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert report.rewards["accuracy"] == {"mean": 0.5, "std": 0.5, "least": 0.0, "most": 1.0}


def test_groups_that_differ_are_good() -> None:
    report = report_of(measured(group(RIGHT, WRONG), group(RIGHT, WRONG)), resolve({}))
    assert report.verdict == "good"


def test_nothing_but_wrong_answers_is_bad_and_easier_rows_help() -> None:
    report = report_of(measured(group(WRONG, WRONG), group(WRONG, WRONG)), resolve({}))
    assert report.verdict == "bad"
    words = " ".join(remedy.text for finding in report.findings for remedy in finding.remedies)
    assert "easier rows" in words
    assert "16 completions" in words


def test_what_the_check_itself_cut_says_nothing_of_the_run() -> None:
    """A slow machine's check cuts completions at fewer tokens than the run does."""
    config = resolve({"sampling": {"max_completion_length": 40}})

    report = report_of(measured(group(CUT, CUT), sampled_tokens=16), config)
    said = " ".join(finding.text for finding in report.findings)
    assert "not known: the check cut its completions at 16 of the 40 tokens" in said
    assert "cut off at 40" not in said
    assert (report.verdict, report.pass_rate, report.cut_share, report.flat_share) == (
        "weak",
        None,
        None,
        None,
    )

    report = report_of(measured(group(CUT, CUT), group(RIGHT, WRONG), sampled_tokens=16), config)
    assert (report.verdict, report.pass_rate, report.flat_share) == ("good", 0.5, 0.0)
    assert report_of(measured(group(CUT, CUT)), config).cut_share == 1.0


def test_nothing_but_right_answers_asks_for_harder_rows() -> None:
    report = report_of(measured(group(RIGHT, RIGHT)), resolve({}))
    words = " ".join(remedy.text for finding in report.findings for remedy in finding.remedies)
    assert "harder rows" in words
    assert "easier" not in words


def test_completions_that_are_cut_off_ask_for_room() -> None:
    config = resolve({"sampling": {"max_completion_length": 64}})
    report = report_of(measured(group(RIGHT, CUT), group(CUT, RIGHT)), config)
    remedy = next(
        r for f in report.findings for r in f.remedies if "sampling.max_completion_length" in r.values
    )
    assert remedy.values == {"sampling.max_completion_length": 128}
    assert report.cut_share == 0.5


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"finite": False}, "not a number"),
        ({"peak_bytes": 11}, "of the"),
        ({"failures": ("It broke.",)}, "It broke."),
    ],
)
def test_what_would_end_a_run_is_bad(changes: dict[str, object], word: str) -> None:
    report = report_of(measured(group(RIGHT, WRONG), **changes), resolve({}))
    assert report.verdict == "bad"
    assert any(finding.level == "error" and word in finding.text for finding in report.findings)


def test_the_starter_is_checked_and_nothing_is_left_behind(data_home: Path) -> None:
    config = tiny()
    report = check_signal(config, prompts=3)
    assert len(report.measured.groups) == 4  # two rollouts of two prompts
    assert all(len(one.completions) == 4 for one in report.measured.groups)
    assert report.measured.finite
    assert report.measured.peak_bytes > 0
    assert report.measured.seconds_per_step > 0
    assert not (data_home / "runs").exists()
    json.dumps(report.to_json(), allow_nan=False)
    _, known = calibration_for(config)
    assert known.source == "measured"
    assert known.rollout > 0
    assert known.update > 0


def test_supervised_training_is_checked_without_sampling() -> None:
    report = check_signal(resolve({"method": "sft", "training": {"batch_size": 2}}), prompts=2)
    assert report.measured.groups == ()
    assert report.pass_rate is None
    assert report.verdict == "good"
    assert report.measured.loss > 0


def test_a_check_can_be_stopped() -> None:
    control = Control()
    control.request_stop()
    with pytest.raises(Stopped):
        check_signal(tiny(), control=control)


def test_a_check_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="1 prompt or more"):
        check_signal(tiny(), prompts=0)


def test_the_measured_peak_is_near_the_estimate() -> None:
    """With completions of full length, which the check makes sure of."""
    report = check_signal(tiny(sampling={"max_completion_length": 64}), prompts=1)
    assert 0.8 < report.measured.estimated_peak_bytes / report.measured.peak_bytes < 1.3


def test_a_check_that_would_take_too_long_samples_less_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[int] = []
    monkeypatch.setattr(TrainingSession, "_is_soon", lambda *_: False)  # however quick this computer is

    def look(phase: Phase) -> None:
        tokens.append(phase.tokens)

    report = check_signal(
        tiny(sampling={"max_completion_length": 48}), prompts=4, seconds=0.0, on_progress=look
    )
    assert len(report.measured.groups) == 1
    assert max(one.length for one in report.measured.groups[0].completions) <= 16
    assert report.measured.shortened == (
        "1 of 4 prompts were sampled",
        "completions were cut at 16 of 48 tokens",
        "memory was measured with 16 of 48 tokens, and estimated for all",
    )
    assert any("1 of 4 prompts" in finding.text for finding in report.findings)
    assert report.measured.peak_bytes >= report.measured.estimated_peak_bytes
    assert max(tokens) > 0


def test_without_its_teacher_a_student_is_checked_all_the_same(tmp_path: Path) -> None:
    """A folder that is not there yet: what the student answers, memory and pace need no teacher."""
    method = {"type": "distillation", "group_size": 2, "teachers": [str(tmp_path / "nowhere")]}
    report = check_signal(tiny(method=method), prompts=4)
    assert len(report.measured.groups) == 4
    assert report.measured.seconds_per_step > 0
    assert report.measured.finite
    (said,) = report.measured.shortened
    assert "What the teacher would say was not looked at" in said
    assert "nowhere" in said
