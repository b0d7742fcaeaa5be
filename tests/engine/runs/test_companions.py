"""The models and files that a run leans on beside its own model: a resume says which of them changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.data.dataset import open_configured
from droid_tune.events import RunFinished, to_line
from droid_tune.paths import RunPaths, starter_model_dir
from droid_tune.runs.folder import FUSED_BASE, STARTED_FROM, create_run
from droid_tune.runs.origin.identity import changes_since, identity_of, keep_identity, keep_rewards_anew

GRPO: dict[str, Any] = {"method": {"type": "grpo", "beta": 0.1}}


def begun(folder: Path, values: dict[str, Any], before: Callable[[Path], None] = lambda _: None) -> RunConfig:
    """A run in `folder` that has begun; `before` it did, something was put there."""
    (folder.parent / "data").mkdir(exist_ok=True)
    (folder.parent / "data" / "train.jsonl").write_text('{"prompt": "2 + 2?", "answer": "4"}\n' * 8)
    config = resolve({"data": {"path": str(folder.parent / "data")}, **values})
    create_run(config, folder)
    before(folder)
    keep_identity(folder, identity_of(config, open_configured(config.data, config.method.type), folder))
    return config


def finished(folder: Path, method: str, model: Path | str = "starter") -> Path:
    """What an earlier run left: settings, an adapter, a head where it is a reward model's, and that it was completed."""
    create_run(resolve({"method": method, "model": {"path": str(model)}, "data": {"path": "sample"}}), folder)
    paths = RunPaths(folder)
    paths.adapter_weights.write_bytes(b"adapter")
    paths.adapter_config.write_text("{}")
    paths.events.write_text(to_line(RunFinished(step=4, outcome="completed", why="")) + "\n")
    if method == "reward":
        (folder / "reward_head.safetensors").write_bytes(b"head")
    return folder


def checkpoint(folder: Path, step: int, content: bytes) -> Path:
    """Weights of a checkpoint, as a teacher's newest may be."""
    there = folder / "checkpoints" / f"step-{step:06d}"
    there.mkdir(parents=True)
    (there / "adapters.safetensors").write_bytes(content)
    return there / "adapters.safetensors"


def copy_of_the_starter(folder: Path) -> Path:
    return Path(shutil.copytree(starter_model_dir(), folder))


def altered(file: Path) -> None:
    """Other content of the same size and time."""
    before = file.stat()
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("file", ["adapters.safetensors", "reward_head.safetensors", "adapter_config.json"])
def test_a_reward_model_of_ours(tmp_path: Path, file: str) -> None:
    judge = finished(tmp_path / "judge", "reward")
    begun(tmp_path / "run", GRPO | {"rewards": [{"type": "reward_model", "path": str(judge)}]})
    (judge / "adapters.safetensors").touch()
    assert changes_since(tmp_path / "run") == []
    altered(judge / file)
    assert changes_since(tmp_path / "run") == [
        f"The reward model `{judge}` changed since the run began: {judge / file}."
    ]


def test_the_model_under_it_where_that_is_another(tmp_path: Path) -> None:
    base = copy_of_the_starter(tmp_path / "base")
    judge = finished(tmp_path / "judge", "reward", base)
    begun(tmp_path / "run", GRPO | {"rewards": [{"type": "reward_model", "path": str(judge)}]})
    altered(base / "model.safetensors")
    (said,) = changes_since(tmp_path / "run")
    assert said.startswith(f"The reward model `{judge}` changed")
    assert said.endswith(f"{base / 'model.safetensors'}.")


def test_the_model_under_it_is_told_once_where_it_is_the_runs_own(tmp_path: Path) -> None:
    base = copy_of_the_starter(tmp_path / "base")
    judge = finished(tmp_path / "judge", "reward", base)
    rewards = [{"type": "reward_model", "path": str(judge)}]
    begun(tmp_path / "run", GRPO | {"model": {"path": str(base)}, "rewards": rewards})
    altered(base / "model.safetensors")
    (said,) = changes_since(tmp_path / "run")
    assert said.startswith("The model's weights changed")


def test_an_adapter_taken_along_and_the_model_that_it_names(tmp_path: Path) -> None:
    base, folder = copy_of_the_starter(tmp_path / "base"), tmp_path / "judge"
    folder.mkdir()
    for name in ("adapters.safetensors", "reward_head.safetensors"):
        (folder / name).write_bytes(b"weights")
    (folder / "adapter_config.json").write_text(json.dumps({"model": str(base)}))
    begun(tmp_path / "run", GRPO | {"rewards": [{"type": "reward_model", "path": str(folder)}]})
    altered(folder / "reward_head.safetensors")
    altered(base / "tokenizer.json")
    said = changes_since(tmp_path / "run")
    assert [one.rpartition(": ")[2] for one in said] == [
        f"{folder / 'reward_head.safetensors'}.",
        f"{base / 'tokenizer.json'}.",
    ]


@pytest.mark.parametrize(
    ("file", "reward", "said"),
    [
        ("model.safetensors", {"type": "reward_model", "path": "MODEL"}, "The reward model"),
        ("config.json", {"type": "model", "model": "MODEL"}, "The judge"),
        ("tokenizer_config.json", {"type": "model", "model": "MODEL"}, "The judge"),
    ],
)
def test_a_folder_that_scores_or_judges(tmp_path: Path, file: str, reward: dict[str, Any], said: str) -> None:
    model = copy_of_the_starter(tmp_path / "other")
    reward = {key: str(model) if value == "MODEL" else value for key, value in reward.items()}
    begun(tmp_path / "run", GRPO | {"rewards": [reward]})
    altered(model / file)
    assert changes_since(tmp_path / "run") == [
        f"{said} `{model}` changed since the run began: {model / file}."
    ]
    (model / file).unlink()
    assert changes_since(tmp_path / "run") == [
        f"{said} `{model}` changed since the run began: {model / file}."
    ]


def test_a_teacher_is_its_newest_weights(tmp_path: Path) -> None:
    """As distillation reads them: a result, or the newest checkpoint where the run was trained further."""
    teacher = finished(tmp_path / "teacher", "grpo")
    old = checkpoint(teacher, 4, b"four")
    begun(tmp_path / "run", {"method": {"type": "distillation", "teachers": [str(teacher), "starter"]}})
    old.unlink()  # nothing that the teacher is read from
    assert changes_since(tmp_path / "run") == []
    further = checkpoint(teacher, 6, b"six")
    assert changes_since(tmp_path / "run") == [
        f"The teacher `{teacher}` has other files than when the run began: {further}."
    ]


def test_a_teacher_that_was_altered(tmp_path: Path) -> None:
    model = copy_of_the_starter(tmp_path / "large")
    teachers = ["https://127.0.0.1:9/v1", str(model)]
    begun(tmp_path / "run", {"method": {"type": "gkd", "teachers": teachers}})
    altered(model / "model.safetensors")
    (said,) = changes_since(tmp_path / "run")
    assert said.startswith(f"The teacher `{model}` changed")


def test_a_judges_settings_are_told_as_settings(tmp_path: Path) -> None:
    method = {"type": "online_dpo", "judge_url": "https://localhost:9/v1", "judge_model": "one"}
    config = begun(tmp_path / "run", {"method": method})
    changed = config.model_dump(mode="json")
    changed["method"]["judge_model"] = "another"
    RunPaths(tmp_path / "run").config.write_text(json.dumps(changed))
    assert changes_since(tmp_path / "run") == ["`method.judge_model` was 'one' and is 'another' now."]


@pytest.mark.parametrize("place", [FUSED_BASE, f"{STARTED_FROM}/{FUSED_BASE}"])
def test_the_model_that_an_earlier_run_made(tmp_path: Path, place: str) -> None:
    """It stands in the run's own folder, and is its reference."""

    def fused(folder: Path) -> None:
        copy_of_the_starter(folder / place)

    begun(tmp_path / "run", GRPO, fused)
    altered(tmp_path / "run" / place / "model.safetensors")
    (said,) = changes_since(tmp_path / "run")
    assert said.startswith("The model that the run started from changed")


def test_a_file_that_a_reward_or_an_environment_may_read(tmp_path: Path) -> None:
    words, tools = tmp_path / "words.bin", tmp_path / "tools.py"
    words.write_bytes(b"\xff\xfe")
    for file in (tools, tmp_path / "mine.py"):
        file.write_text("x = 1\n")
    reward = {"type": "user_file", "path": str(tmp_path / "mine.py"), "readable": [str(words), str(tmp_path)]}
    environment = {"type": "tools", "path": str(tools), "readable": [str(words)]}
    config = begun(tmp_path / "run", GRPO | {"rewards": [reward], "environment": environment})
    altered(words)
    assert changes_since(tmp_path / "run") == [
        f"What the reward `user_file` may read changed since the run began: {words}.",
        f"What the environment may read changed since the run began: {words}.",
    ]
    keep_rewards_anew(tmp_path / "run", config)
    assert changes_since(tmp_path / "run") == []


@pytest.mark.parametrize("content", ["3", '{"x": 3, "The teacher `a`": [1, {}]}', "[[]]"])
def test_what_was_kept_of_them_may_have_any_shape(tmp_path: Path, content: str) -> None:
    begun(tmp_path / "run", {"method": {"type": "distillation"}})
    file = RunPaths(tmp_path / "run").identity
    file.write_text(json.dumps(json.loads(file.read_text()) | {"companions": json.loads(content)}))
    assert changes_since(tmp_path / "run") == []
