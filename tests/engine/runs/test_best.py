"""The best checkpoint by held-out rows: which it is, that it stays, and that it can be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.errors import UserError
from droid_tune.events import Evaluation, Event, RunStarted
from droid_tune.runs.best import Best, best_kept, best_of, better, chosen_step, evaluations
from droid_tune.runs.state import RunState


def evaluated(step: int, **metrics: float | None) -> Evaluation:
    return Evaluation(step=step, metrics={f"eval/{name}": value for name, value in metrics.items()}, rows=4)


def began(step: int) -> RunStarted:
    return RunStarted(config={}, total_steps=9, start_step=step)


@pytest.mark.parametrize(
    ("told", "best"),
    [
        ([evaluated(1, accuracy=0.5), evaluated(2, accuracy=0.75), evaluated(3, accuracy=0.25)], 2),
        ([evaluated(1, accuracy=0.5), evaluated(2, accuracy=0.5)], 2),  # the later has learnt for longer
        ([evaluated(1, loss=2.0), evaluated(2, loss=1.0), evaluated(3, loss=1.5)], 2),
        ([evaluated(1, loss=9.0, accuracy=0.9), evaluated(2, loss=1.0, accuracy=0.1)], 1),
        ([evaluated(1, reward=-1.0), evaluated(2, reward=-2.0)], 1),
        ([evaluated(0, accuracy=1.0), evaluated(2, accuracy=0.5)], 2),  # step 0 is no checkpoint
        ([evaluated(1, loss=2.0), evaluated(2, loss=None)], 1),
    ],
)
def test_which_evaluation_is_the_best(told: list[Event], best: int) -> None:
    found = best_of(evaluations(told))
    assert found is not None
    assert found.step == best
    assert RunState().apply_all([began(0), *told]).best == found


def test_a_resume_takes_back_the_evaluations_after_it() -> None:
    told = [
        began(0),
        evaluated(1, accuracy=0.5),
        evaluated(2, accuracy=0.9),
        began(1),
        evaluated(2, accuracy=0.3),
    ]
    assert best_of(evaluations(told)) == Best(1, "eval/accuracy", 0.5)
    assert RunState().apply_all(told).best == Best(1, "eval/accuracy", 0.5)


def test_a_run_is_judged_by_one_number_from_its_first_evaluation_on() -> None:
    best = better(None, 1, {"eval/loss": 2.0})
    assert better(best, 2, {"eval/accuracy": 1.0, "eval/loss": 3.0}) == best


def test_the_best_is_said_in_words() -> None:
    assert str(Best(1200, "eval/accuracy", 0.785)) == "held-out accuracy 78.5% at step 1,200"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Checkpoints of 2, 4 and 5 steps; step 3, the best of all, is no longer there."""
    for step in (2, 4, 5):
        (tmp_path / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    told = [evaluated(2, accuracy=0.5), evaluated(3, accuracy=0.9), evaluated(4, accuracy=0.25)]
    (tmp_path / "events.jsonl").write_text("".join(f"{one.model_dump_json()}\n" for one in told))
    return tmp_path


def test_a_checkpoint_is_named_by_last_best_or_its_step(run: Path) -> None:
    assert [chosen_step(run, choice) for choice in ("last", "best", "5", "000004")] == [None, 2, 5, 4]
    assert best_kept(run, until=1) is None


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("3", "has no checkpoint of step 3; it has those of step 2, 4, 5; say one of these"),
        ("newest", "`newest` names no checkpoint; say best, last or a step"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_said_with_those_that_are(
    run: Path, choice: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        chosen_step(run, choice)


def test_a_run_that_was_never_evaluated_has_no_best(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"so none is the best \(it has none\)"):
        chosen_step(tmp_path, "best")


def test_of_counts_that_ended_early_the_surest_is_best() -> None:
    few = {"eval/accuracy": 0.95, "eval/accuracy/least": 0.83}
    many = {"eval/accuracy": 0.93, "eval/accuracy/least": 0.89}
    assert best_of({10: few, 20: many, 30: few}) == Best(20, "eval/accuracy", 0.93, 0.89)
    assert best_of({10: many, 20: {"eval/accuracy": 0.94}}) == Best(20, "eval/accuracy", 0.94)
