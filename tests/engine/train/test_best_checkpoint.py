"""The checkpoint with the best held-out evaluation stays, is marked, and can be used wherever a run is."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest

from droid_tune.cli.entry import main
from droid_tune.config.exporting import ExportRequest
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Control
from droid_tune.errors import UserError
from droid_tune.events import Event, RunStarted
from droid_tune.export.result import export_run
from droid_tune.playground.playground import Playground
from droid_tune.runs.folder import summarise
from droid_tune.runs.log import read_events
from droid_tune.runs.state import RunState
from droid_tune.train.engine import resume_training
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.learners.supervised import Supervised
from droid_tune.train.saving.weights import weights_of
from droid_tune.train.starting.start import earlier_result
from tests.engine.train.conftest import resume, tiny, train

LOSSES = (3.0, 1.0, 2.0, 2.5, 2.75)  # after steps 1 to 5


def scripted(_learner: Supervised, step: int) -> Evaluated:
    return Evaluated({"eval/loss": LOSSES[step - 1]}, rows=4, seconds=0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five steps, evaluated after each, saved every second; one checkpoint is to be kept."""
    folder = tmp_path_factory.mktemp("best") / "run"
    config = tiny(
        method="sft",
        rewards=[],
        training={"iterations": 5},
        evaluation={"rows": 4, "steps_per_eval": 1, "at_start": False},
        checkpoint={"keep": 1, "save_every": 2},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervised, "evaluate", scripted)
        finished, _ = train(config, folder)
    assert finished.outcome == "completed", finished.why
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, to go on with."""
    monkeypatch.setattr(Supervised, "evaluate", scripted)
    return shutil.copytree(trained, tmp_path / "run")


def checkpoints(run: Path) -> list[str]:
    return sorted(folder.name for folder in (run / "checkpoints").iterdir())


def test_the_best_stays_besides_the_newest_and_is_marked(trained: Path) -> None:
    assert checkpoints(trained) == ["step-000002", "step-000005"]
    best = summarise(trained).best
    assert str(best) == "held-out loss 1 at step 2"
    assert RunState().apply_all(read_events(trained / "events.jsonl")).best == best


def test_every_use_of_a_run_takes_the_checkpoint_that_is_asked_for(trained: Path, tmp_path: Path) -> None:
    kept = (trained / "checkpoints" / "step-000002" / "adapters.safetensors").read_bytes()
    assert weights_of(trained, "best").file.read_bytes() == kept
    assert Playground.of_run(trained, "best").step == 2
    assert export_run(trained, ExportRequest("adapter", tmp_path / "out", checkpoint="2", check=0)).step == 2
    config = tiny(model={"start_from": str(trained), "start_checkpoint": "best"})
    assert earlier_result(config)[1].step == 2
    with pytest.raises(UserError, match="no checkpoint of step 4; it has those of step 2, 5"):
        weights_of(trained, "4")


def test_a_loaded_model_turns_to_another_checkpoint_and_answers_as_one_that_was_loaded_with_it(
    trained: Path,
) -> None:
    turned, fresh = Playground.of_run(trained, "5"), Playground.of_run(trained, "2")
    turned.turn_to("best")
    assert turned.step == 2
    sampling = SamplingConfig(temperature=1.0, max_completion_length=12)
    row = {"prompt": "Once", "answer": "upon"}
    for seed in (0, 7):
        one, other = (made.reply(row, sampling, seed=seed) for made in (turned, fresh))
        assert one == other
    assert [said.right for said in turned.verdicts(row, [one])] == [False]
    with pytest.raises(UserError, match="no checkpoint of step 4"):
        turned.turn_to("4")


def test_a_run_goes_on_from_its_best_and_what_came_after_is_set_aside(run: Path) -> None:
    record: list[Event] = []
    assert resume_training(run, Control(), record.append, 1, "best").outcome == "stopped"
    assert next(event for event in record if isinstance(event, RunStarted)).start_step == 2
    aside = sorted(path.name for path in (run / "checkpoints" / "aside-1").iterdir())
    assert aside == ["adapter_config.json", "adapters.safetensors", "step-000005"]
    assert checkpoints(run) == ["aside-1", "step-000002", "step-000003"]
    assert weights_of(run).step == 3
    assert summarise(run).best == RunState().apply_all(read_events(run / "events.jsonl")).best


def test_a_resumed_run_keeps_the_best_of_before(run: Path) -> None:
    """Trained further, with worse evaluations only: the best is of the session before."""
    with pytest.MonkeyPatch.context() as patch:
        worse = itertools.count(3)
        patch.setattr(Supervised, "evaluate", lambda *_: Evaluated({"eval/loss": float(next(worse))}, 4, 0.0))
        assert resume(run, further=3)[0].outcome == "completed"
    assert checkpoints(run) == ["step-000002", "step-000008"]
    assert json.loads((run / "status.json").read_text())["best"]["step"] == 2


def test_the_terminal_names_the_best_and_takes_it(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(trained), "--out", str(out), "--checkpoint", "best", "--check", "0"]) == 0
    assert "step 2" in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_leaves_the_run_as_it_was(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in trained.iterdir() if file.is_file()}
    assert main(["resume", str(trained), "--checkpoint", "3"]) == 1
    assert "no checkpoint of step 3; it has those of step 2, 5" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in trained.iterdir() if file.is_file()} == before
