"""A config that is dropped or opened becomes the form; what has no counterpart is named, and the chosen data stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.config import dump_yaml, resolve
from tests.ui.fake_engine import FakeEngine
from ui.main_window import MainWindow
from ui.session import Session
from ui.settings import Settings

MLX_LM = """
model: mlx-community/Qwen3-0.6B-4bit
train: true
data: data/of/somebody
iters: 77
batch_size: 3
learning_rate: 1e-5
adapter_path: adapters
lora_parameters: {rank: 16, scale: 2.0, dropout: 0.1, keys: [self_attn.q_proj]}
lr_schedule: {name: cosine_decay, warmup: 10, arguments: [1e-5, 77, 1e-7]}
"""
MLX_LM_LORA = """
model: mlx-community/Qwen3-0.6B-4bit
train_mode: grpo
group-size: 6
iters: 40
max_completion_length: 96
reward_weights: [1.0]
importance_sampling_level: sequence
"""
FLAT = {"groupSize": 4, "maxTokens": 48, "learningRate": 2e-5, "trainMode": "dapo"}


def told_by(session: Session) -> list[tuple[str, str, str]]:
    told: list[tuple[str, str, str]] = []
    session.told.connect(lambda level, text, remedy: told.append((level, text, remedy)))
    return told


@pytest.fixture
def window(open_window: object, engine: FakeEngine, session: Session, data_folder: Path) -> MainWindow:
    assert callable(open_window)
    session.set_data(str(data_folder))
    return open_window(session)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    return folder


def dropped(window: MainWindow, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    window.open_path(str(tmp_path / name))


def test_mlx_lms_config_becomes_the_form(window: MainWindow, tmp_path: Path, data_folder: Path) -> None:
    told = told_by(window.session)
    dropped(window, tmp_path, "lora.yaml", MLX_LM)
    draft = window.session.draft
    assert window.current_key() == "setup"
    assert draft.method == "sft"
    assert draft.model == "mlx-community/Qwen3-0.6B-4bit"
    assert [draft.value(path) for path in ("training.iterations", "adapter.rank", "optimizer.schedule")] == [
        77,
        16,
        "cosine",
    ]
    assert draft.data == str(data_folder)
    ((level, said, notes),) = told
    assert level == "warning"
    assert said.startswith("The settings of lora.yaml were imported; ")
    assert "adapter_path" in notes
    assert "has no counterpart" in notes
    assert "Its data data/of/somebody is not on this computer: the chosen data stays." in notes


def test_the_other_forms_become_the_form_too(window: MainWindow, tmp_path: Path) -> None:
    dropped(window, tmp_path, "grpo.yml", MLX_LM_LORA)
    draft = window.session.draft
    assert (draft.method, draft.value("method.group_size")) == ("grpo", 6)
    assert draft.value("sampling.max_completion_length") == 96
    dropped(window, tmp_path, "flat.json", json.dumps(FLAT))
    assert (draft.method, draft.value("method.group_size")) == ("dapo", 4)
    assert draft.value("training.iterations") == draft.default(
        "training.iterations"
    )  # nothing of the one before


def test_our_own_config_comes_back_as_it_was(window: MainWindow, tmp_path: Path, data_folder: Path) -> None:
    config = resolve(
        {
            "name": "mine",
            "method": {"type": "gspo", "group_size": 3},
            "data": {"path": str(data_folder)},
            "rewards": [{"type": "format", "pattern": "x"}],
            "training": {"iterations": 9},
        }
    )
    told = told_by(window.session)
    dropped(window, tmp_path, "config.yaml", dump_yaml(config))
    assert window.session.draft.config() == config
    assert told == [("good", "The settings of config.yaml were imported.", "")]


def test_a_config_that_makes_no_run_changes_nothing(window: MainWindow, tmp_path: Path) -> None:
    before = window.session.draft.to_values()
    for text in ("training: {iterations: -3}", "training_method: dreaming\niters: 3", "a: [", "nonsense: 5"):
        dropped(window, tmp_path, "bad.yaml", text)
        assert window.session.draft.to_values() == before


def test_rows_in_a_json_file_are_still_data(window: MainWindow, tmp_path: Path) -> None:
    dropped(window, tmp_path, "rows.json", json.dumps([{"prompt": "1 + 1?", "answer": "2"}]))
    assert window.session.draft.data == str(tmp_path / "rows.json")
    assert window.current_key() == "data"
    assert Settings().recent_data == []


def test_what_was_said_of_a_config_goes_with_the_next_one(window: MainWindow, tmp_path: Path) -> None:
    dropped(window, tmp_path, "first.yaml", MLX_LM)
    dropped(window, tmp_path, "broken.yaml", "model: [")
    assert ["broken.yaml" in bar.text for bar in window._banners.bars()] == [True]
    dropped(window, tmp_path, "second.yaml", MLX_LM_LORA)
    assert ["second.yaml" in bar.text for bar in window._banners.bars()] == [True]
