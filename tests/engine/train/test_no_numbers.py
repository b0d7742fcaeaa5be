"""Updates that give no number three times in a row: the run waits where somebody attends, and ends resumable elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from droid_tune.control import Control
from droid_tune.events import Continued, Event, Paused, RunFinished, Steered, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.folder import create_run
from droid_tune.runs.steering import send, wish
from droid_tune.train.engine import run_training
from droid_tune.train.updating import update
from droid_tune.train.updating.optimizer import optimizer_tensors, restore_optimizer
from tests.engine.train.conftest import resume, tiny, train

CONFIG = tiny(
    training={"iterations": 6, "batch_size": 1}, method={"group_size": 2}, checkpoint={"save_every": 50}
)
#: above it the planted model gives no numbers
TOO_HIGH = 5e-4

Answer = Callable[[Control], object]


def no_number(*_: Any) -> str:
    """For `why_not`."""
    return "non_finite"


@pytest.fixture(autouse=True)
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second update on, a learning rate above TOO_HIGH gives NaN; a lower one mends it."""
    from droid_tune.train import loop

    real = update.why_not

    def found(self: loop.Loop) -> bool:
        return self.step >= 1 and self.session.config.learning_rate > TOO_HIGH

    advance = loop.Loop.advance

    def advancing(self: loop.Loop) -> Any:
        with pytest.MonkeyPatch.context() as patched:
            if found(self):
                patched.setattr(loop, "why_not", no_number)
            else:
                patched.setattr(loop, "why_not", real)
            return advance(self)

    monkeypatch.setattr(loop.Loop, "advance", advancing)


def trained(folder: Path, answer: Answer | None) -> tuple[RunFinished, list[Event]]:
    """A run at which somebody sits who answers a pause, or (None) nobody does."""
    control, record = Control(attended=answer is not None), list[Event]()

    def emit(event: Event) -> None:
        record.append(event)
        if isinstance(event, Paused) and answer is not None:
            assert len(of(record, Paused)) < 4
            answer(control)

    create_run(CONFIG, folder)
    return run_training(CONFIG, folder, control, emit), record


def of(record: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in record if isinstance(event, kind)]


def without_numbers(record: list[Event]) -> list[int]:
    return [step.step for step in of(record, Step) if step.why == "non_finite"]


def test_a_lower_learning_rate_lets_the_paused_run_go_on(tmp_path: Path) -> None:
    def lower(control: Control) -> None:
        assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["step-000004"]  # saved first
        send(tmp_path, [wish({"learning_rate": 1e-4})])
        control.resume()

    finished, record = trained(tmp_path, lower)
    assert finished.outcome == "completed", finished.why
    (paused,) = of(record, Paused)
    assert (paused.step, paused.reason) == (4, "numbers")
    assert "was not a number in 3 steps in a row (steps 2 to 4)" in paused.text
    assert "droid-tune steer" in paused.remedy
    assert "learning_rate=2e-4" in paused.remedy
    assert len(of(record, Continued)) == 1
    assert [steered.step for steered in of(record, Steered)] == [4]
    assert without_numbers(record) == [2, 3, 4]


@pytest.mark.slow
def test_continue_alone_gives_three_more_tries_and_waits_again(tmp_path: Path) -> None:
    finished, record = trained(tmp_path, lambda control: control.resume())
    assert finished.outcome == "completed"  # the run is over before the third of them
    assert [paused.step for paused in of(record, Paused)] == [4]
    assert without_numbers(record) == [2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_stop_in_the_pause_leaves_a_stopped_run_that_goes_on(tmp_path: Path) -> None:
    finished, _ = trained(tmp_path, Control.request_stop)
    assert (finished.outcome, finished.step) == ("stopped", 4)
    send(tmp_path, [wish({"learning_rate": 1e-4})])
    resumed, record = resume(tmp_path)
    assert resumed.outcome == "completed", resumed.why
    assert [step.step for step in of(record, Step)] == [5, 6]
    assert without_numbers(record) == []


def test_where_nobody_attends_it_fails_saved_and_is_resumed_with_the_same_words(tmp_path: Path) -> None:
    finished, record = trained(tmp_path, None)
    assert (finished.outcome, finished.step) == ("failed", 4)
    assert not of(record, Paused)
    assert f"`droid-tune steer {tmp_path.name} learning_rate=2e-4`" in finished.why
    assert finished.why.endswith("The steps up to 4 are saved: mend it, then resume.")
    send(tmp_path, [wish({"learning_rate": 1e-4})])
    resumed, record = resume(tmp_path)
    assert resumed.outcome == "completed", resumed.why
    assert [step.step for step in of(record, Step)] == [5, 6]
    assert without_numbers(record) == []


def test_weights_that_are_no_numbers_are_not_saved_and_an_earlier_checkpoint_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lower learning rate mends those."""
    from droid_tune.train.updating.update import Updater

    apply = Updater.apply

    def spoiling(self: Updater, *args: Any) -> None:
        apply(self, *args)
        model = self.session.policy.model
        name, array = next(iter(self.session.policy.trainable().items()))
        model.load_weights([(name, mx.full(array.shape, float("nan"), array.dtype))], strict=False)

    monkeypatch.setattr(Updater, "apply", spoiling)
    finished, record = trained(tmp_path, Control.resume)
    assert finished.outcome == "failed"
    assert not of(record, Paused)
    assert "The weights are not numbers any more" in finished.why
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("spoilt", ["weights", "optimizer"])
def test_a_step_that_leaves_no_numbers_is_not_saved_over_the_good_ones(
    spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two checkpoints kept, two such saves would have pushed the last good one out."""
    apply = update.Updater.apply

    def spoiling(self: update.Updater, *args: Any) -> None:
        apply(self, *args)
        if args[-1] < 3:
            return
        arrays = self.session.policy.learnt() if spoilt == "weights" else optimizer_tensors(self.optimizer)
        broken = {
            name: mx.full(one.shape, float("inf"), one.dtype) for name, one in arrays.items() if one.size > 1
        }
        if spoilt == "weights":
            self.session.policy.model.load_weights(list(broken.items()), strict=False)
        else:
            restore_optimizer(self.optimizer, {**arrays, **broken})

    monkeypatch.setattr(update.Updater, "apply", spoiling)
    monkeypatch.setattr("tests.engine.train.test_no_numbers.TOO_HIGH", 1.0)
    config = CONFIG.model_copy(update={"checkpoint": CONFIG.checkpoint.model_copy(update={"save_every": 1})})
    finished, _ = train(config, tmp_path / "run")
    assert finished.outcome == "failed"
    what = {"weights": "weights", "optimizer": "optimizer's averages"}[spoilt]
    assert finished.why.startswith(f"The {what} are not numbers any more after step 3, which is not saved")
    assert "--checkpoint STEP" in finished.why
    assert sorted(RunPaths(tmp_path / "run").checkpoint_folders()) == [1, 2]
