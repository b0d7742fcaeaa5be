"""Reward models taken along: the same numbers, by our own reading and by the definition."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.export.result import export_run
from droid_tune.export.targets.reward_folders import ClassifierFolder
from droid_tune.model.heads.reward_models import open_reward_model
from tests.engine.rewards.test_reward_model_reward import ANSWERS, number_by_hand
from tests.engine.train.conftest import train
from tests.engine.train.test_preference_learner import PAIRS

PLAN = MemoryPlan(train_rows=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    config = resolve(
        {
            "method": "reward",
            "data": {"path": str(folder)},
            "training": {"iterations": 2, "batch_size": 3},
            "adapter": {"rank": 2},
            "optimizer": {"learning_rate": 1e-2},
            "evaluation": {"rows": 0},
        }
    )
    end, _ = train(config, folder / "run")
    assert end.outcome == "completed", end.why
    return folder / "run"


def test_a_classifiers_folder_gives_the_runs_numbers_by_its_definition(run: Path, tmp_path: Path) -> None:
    exported = export_run(run, ExportRequest(target="fused", out=tmp_path / "out", check=2))
    assert "gives 4 held-out answers the run's numbers" in " ".join(exported.notes)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert len(config["id2label"]) == 1
    loaded = mx.load(str(tmp_path / "out" / "model.safetensors"))
    assert isinstance(loaded, dict)
    weights = {name: np.array(array) for name, array in loaded.items()}
    expected = open_reward_model(str(run)).numbers(ANSWERS, PLAN)
    assert open_reward_model(str(tmp_path / "out")).numbers(ANSWERS, PLAN) == pytest.approx(
        expected, abs=1e-4
    )
    by_hand = [number_by_hand(weights, [*prompt, *answer]) for prompt, answer in ANSWERS]
    assert by_hand == pytest.approx(expected, abs=1e-4)


def test_an_adapter_takes_its_head_along(run: Path, tmp_path: Path) -> None:
    exported = export_run(run, ExportRequest(target="adapter", out=tmp_path / "out", check=1))
    assert "type: reward_model" in exported.use
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"adapters.safetensors", "adapter_config.json", "reward_head.safetensors"}


def test_what_gives_other_numbers_is_not_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = ClassifierFolder.written

    def spoilt(self: ClassifierFolder, source: object, request: object, folder: Path) -> list[str]:
        notes = written(self, source, request, folder)  # pyright: ignore[reportArgumentType]
        loaded = mx.load(str(folder / "model.safetensors"))
        assert isinstance(loaded, dict)
        loaded["score.weight"] = loaded["score.weight"] * 1.01
        mx.eval(loaded)
        mx.save_safetensors(str(folder / "model.safetensors"), loaded)
        return notes

    monkeypatch.setattr(ClassifierFolder, "written", spoilt)
    with pytest.raises(UserError, match="gives other numbers than the run"):
        export_run(run, ExportRequest(target="fused", out=tmp_path / "out", check=2))
    assert not (tmp_path / "out").exists()


def test_programs_that_answer_get_no_reward_model(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`gguf` holds models that answer; choose adapter or fused"):
        export_run(run, ExportRequest(target="gguf", out=tmp_path / "out", check=0))


def test_without_its_data_it_is_written_and_not_compared(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    text = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(text.replace(str(run.parent), str(tmp_path / "gone")))
    exported = export_run(moved, ExportRequest(target="adapter", out=tmp_path / "out", check=2))
    assert exported.notes == ()
