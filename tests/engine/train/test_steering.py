"""A run that is steered: between two updates, told, kept in its checkpoints, and replayed to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import pytest

from droid_tune.config import merge
from droid_tune.control import Control
from droid_tune.errors import UsageError, UserError
from droid_tune.events import CheckpointSaved, Evaluation, Event, RunFinished, Steered, Step
from droid_tune.runs.folder import create_run
from droid_tune.runs.state import RunState
from droid_tune.runs.steering import (
    WishFile,
    copy_changes,
    parse_wishes,
    send,
    steered,
    steered_sentence,
    wish,
)
from droid_tune.train.engine import run_training
from droid_tune.train.steering.patience import Patience
from tests.engine.train.conftest import Record, digest, resume, tiny, train

E = TypeVar("E", bound=Event)
FOUR: dict[str, Any] = {"training": {"iterations": 4}, "method": {"beta": 0}}
CHANGES: dict[str, Any] = {"learning_rate": 5e-4, "temperature": 0.7, "beta": 0.05}


def of_kind(record: Record, kind: type[E]) -> list[E]:
    return [event for event in record if isinstance(event, kind)]


def steered_while_training(
    folder: Path, changes: dict[str, Any], *, at: int = 1, stop: int = 0, **config: Any
) -> tuple[RunFinished, Record]:
    """Train; the change is sent when step `at` is told, a stop when step `stop` is."""
    control = Control()
    record: Record = []
    settings = tiny(**merge(FOUR, config))
    create_run(settings, folder)

    def emit(event: Event) -> None:
        record.append(event)
        if isinstance(event, Step) and event.step == at:
            send(folder, [wish(changes)])
        if isinstance(event, Step) and event.step == stop:
            control.request_stop()

    return run_training(settings, folder, control, emit), record


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steered") / "run"
    finished, record = steered_while_training(folder, CHANGES)
    assert finished.outcome == "completed"
    (told,) = of_kind(record, Steered)
    assert told.step == 1
    assert told.settings == CHANGES
    assert told.before == {"learning_rate": 1e-3, "temperature": 1.0, "beta": 0.0}
    # linear from 1e-3, then from 5e-4, over 4 steps: 1, 3/4, 2/4, 1/4 of them
    rates = [step.metrics["learning_rate"] for step in of_kind(record, Step)]
    assert rates == pytest.approx([1e-3, 3.75e-4, 2.5e-4, 1.25e-4])
    assert ["kl/k1" in step.metrics for step in of_kind(record, Step)] == [False, True, True, True]
    return folder


def test_a_steered_run_replayed_with_its_recorded_changes_gives_the_same_bytes(
    whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    folder.mkdir()
    assert copy_changes(whole, folder) == 1
    finished, _ = train(tiny(**FOUR), folder)
    assert finished.outcome == "completed"
    assert digest(folder) == digest(whole)


def test_a_run_stopped_after_a_change_goes_on_with_it_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    finished, _ = steered_while_training(folder, CHANGES, stop=2)
    assert finished.outcome == "stopped"
    finished, record = resume(folder)
    assert finished.outcome == "completed"
    assert of_kind(record, Steered) == []  # it is part of the state that it goes on from
    assert digest(folder) == digest(whole)


def test_a_change_since_the_last_checkpoint_is_made_again_after_a_crash(whole: Path, tmp_path: Path) -> None:
    """The checkpoint of step 3 is gone as if the disk had lost it: the run goes on from 0 and is steered at 1 again."""
    folder = tmp_path / "crashed"
    steered_while_training(folder, CHANGES, stop=3)
    for saved in (folder / "checkpoints").iterdir():
        saved.rename(folder / f"lost-{saved.name}")
    finished, record = resume(folder)
    assert finished.outcome == "completed"
    assert [told.step for told in of_kind(record, Steered)] == [1]
    assert digest(folder) == digest(whole)


def test_a_temperature_waits_until_the_rollout_in_use_is_used_up(tmp_path: Path) -> None:
    _, record = steered_while_training(
        tmp_path / "run", {"temperature": 0.5}, method={"num_iterations": 2}, at=1
    )
    assert [told.step for told in of_kind(record, Steered)] == [2]  # updates 1 and 2 share a rollout


def test_a_run_stops_at_the_step_it_is_told_to_and_goes_on_from_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finished, _ = steered_while_training(folder, {"stop_at": 3})
    assert (finished.outcome, finished.step) == ("stopped", 3)
    assert finished.why == "Stopped after step 3, as asked for; it can go on from here."
    finished, _ = resume(folder)
    assert (finished.outcome, finished.step) == ("completed", 4)


def test_a_stop_at_a_step_that_is_past_is_a_stop_now(tmp_path: Path) -> None:
    finished, _ = steered_while_training(tmp_path / "run", {"stop_at": 1}, at=2)
    assert (finished.outcome, finished.step) == ("stopped", 2)


def test_save_and_evaluate_now_happen_between_two_steps(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    record: Record = []
    settings = tiny(
        training={"iterations": 3}, evaluation={"rows": 2, "steps_per_eval": 0, "at_start": False}
    )
    create_run(settings, folder)
    send(folder, parse_wishes(["save", "evaluate"], step=1))
    run_training(settings, folder, Control(), record.append)
    told = [(event.type, event.step) for event in record if isinstance(event, (CheckpointSaved, Evaluation))]
    assert told == [("checkpoint", 1), ("evaluation", 1), ("checkpoint", 3), ("evaluation", 3)]


def test_an_impossible_change_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    finished, record = steered_while_training(tmp_path / "run", {"temperature": 0.0})
    assert finished.outcome == "completed"
    assert of_kind(record, Steered) == []
    (refused,) = [event for event in record if event.type == "notice" and event.code == "steering_refused"]
    assert "makes all completions of a group the same" in refused.text


def test_patience_ends_a_run_whose_held_out_result_stays(tmp_path: Path) -> None:
    """Nothing is learnt at a rate of 1e-9: after the first evaluation the second and third are no better."""
    folder = tmp_path / "run"
    config = tiny(
        training={"iterations": 9},
        optimizer={"learning_rate": 1e-9},
        evaluation={"rows": 2, "steps_per_eval": 1, "patience": 2},
    )
    finished, _ = train(config, folder)
    assert (finished.outcome, finished.step) == ("stopped", 2)
    assert finished.why.startswith("Stopped early: the held-out")
    finished, _ = resume(folder)
    assert finished.step == 4  # whoever resumes it means it to go on: two more


def test_patience_counts_evaluations_since_the_best() -> None:
    waiting = Patience()
    for step, accuracy in ((0, 0.2), (10, 0.5), (20, 0.5), (30, None)):
        waiting.observe(step, {"eval/accuracy": accuracy})
    assert waiting.verdict(3) == ""
    assert waiting.verdict(2) == (
        "Stopped early: the held-out accuracy has not become better in 2 evaluations (best 50% at step 10)."
    )
    lower = Patience()
    for step, loss in ((0, 2.0), (10, 1.0), (20, 1.5)):
        lower.observe(step, {"eval/loss": loss})
    assert (lower.best_step, lower.waited) == (10, 1)


def test_patience_is_not_fooled_by_a_lucky_count_of_few_rows() -> None:
    waiting = Patience()
    for step, (accuracy, least) in ((10, (0.80, 0.76)), (20, (0.84, 0.72)), (30, (0.82, 0.78))):
        waiting.observe(step, {"eval/accuracy": accuracy, "eval/accuracy/least": least})
        assert waiting.waited == (step == 20)
    again = Patience()
    again.restore(waiting.state())
    assert again == waiting


def test_a_change_is_said_in_one_sentence() -> None:
    changed = Steered(step=12, settings={"learning_rate": 5e-6, "beta": 0}, before={"learning_rate": 1e-5})
    assert steered_sentence(changed) == "Step 12: learning rate 5e-6 (was 1e-5), beta 0 (was unset)."
    assert steered_sentence(Steered(step=3, action="save")) == "Step 3: saved on request."


def test_words_that_cannot_be_steered_are_refused_with_what_can() -> None:
    assert parse_wishes(["learning_rate=1e-5", "optimizer.learning_rate=2e-5"])[0].settings == {
        "learning_rate": 2e-5
    }
    with pytest.raises(UsageError, match="`rank=4` cannot be steered; write learning_rate"):
        parse_wishes(["rank=4"])
    with pytest.raises(UserError, match="The method sft has no `beta`"):
        steered(tiny(method={"type": "sft"}, rewards=[]), {"beta": 0.1})


def test_a_wish_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    file = tmp_path / "steering.jsonl"
    file.write_text('{"id": "one", "settings": {"beta": 0.1}}\n{"id": "two", "sett')
    found = WishFile(tmp_path)
    assert [one.id for one in found.wishes()] == ["one"]
    with file.open("a") as more:
        more.write('ings": {}}\nno line of ours\n{"id": "one", "applied": 7}\n')
    assert [(one.id, one.step) for one in found.wishes()] == [("one", 7), ("two", None)]


def test_the_state_shows_the_changed_settings_and_forgets_what_a_resume_takes_back() -> None:
    state = RunState()
    state.config = {"optimizer": {"learning_rate": 1e-3, "name": "adamw"}}
    state.apply(Steered(step=5, settings={"learning_rate": 1e-4}, before={"learning_rate": 1e-3}, wish="a"))
    state.apply(Steered(step=5, settings={"learning_rate": 1e-4}, before={"learning_rate": 1e-3}, wish="a"))
    assert state.config["optimizer"] == {"learning_rate": 1e-4, "name": "adamw"}
    assert [made.step for made in state.steered] == [5]
