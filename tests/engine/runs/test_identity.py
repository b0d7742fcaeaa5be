"""A resume says what is not as it was when the run was trained last, and of nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from droid_tune.config import RunConfig, dump_yaml, resolve
from droid_tune.data.dataset import open_configured
from droid_tune.paths import RunPaths, starter_model_dir
from droid_tune.runs.folder import create_run
from droid_tune.runs.origin import packages
from droid_tune.runs.origin.identity import (
    changes_since,
    identity_of,
    keep_identity,
    keep_rewards_anew,
    kept_reward,
)

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
ROWS = '{"prompt": "2 + 2?", "answer": "4"}\n' * 8


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has begun, with a model, data and a reward file of its own."""
    model, data = tmp_path / "model", tmp_path / "data"
    for folder in (model, data):
        folder.mkdir()
    for name in FILES:
        (model / name).write_bytes((starter_model_dir() / name).read_bytes())
    (data / "train.jsonl").write_text(ROWS)
    (tmp_path / "mine.py").write_text("import helper\ndef f(completion, row):\n    return 1\n")
    (tmp_path / "helper.py").write_text("import json\nfrom parts import scale\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "scale.py").write_text("from .units import METRE\n")
    (tmp_path / "parts" / "units.py").write_text("METRE = 1\n")
    (tmp_path / "unused.py").write_text("x = 1\n")
    config = configured(tmp_path)
    create_run(config, tmp_path / "run")
    keep_identity(tmp_path / "run", identity_of(config, open_configured(config.data, config.method.type)))
    return tmp_path / "run"


def configured(folder: Path) -> RunConfig:
    return resolve(
        {
            "model": {"path": str(folder / "model")},
            "data": {"path": str(folder / "data")},
            "rewards": [{"type": "user_file", "name": "mine", "path": str(folder / "mine.py")}],
        }
    )


def rewritten(file: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file and set its time of change back, as a careless copy does."""
    before = file.stat()
    file.write_bytes(change(file.read_bytes()))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_of_a_run_that_is_as_it_was_nothing_is_said(run: Path) -> None:
    assert changes_since(run) == []
    for file in (run.parent / "data" / "train.jsonl", run.parent / "model" / "model.safetensors"):
        file.touch()  # a time alone is no change
    assert changes_since(run) == []


def test_the_reward_file_s_text_is_kept(run: Path) -> None:
    assert kept_reward(run, "mine").read_text() == (run.parent / "mine.py").read_text()
    assert (
        kept_reward(run, "mine").stat().st_mode & 0o777,
        RunPaths(run).rewards.stat().st_mode & 0o777,
    ) == (
        0o600,
        0o700,
    )


def test_the_environments_file_is_kept_and_compared_as_rewards_are(run: Path) -> None:
    tools = run.parent / "tools.py"
    tools.write_text("x = 1\n")
    values = configured(run.parent).model_dump(mode="json")
    config = resolve({**values, "environment": {"type": "tools", "path": str(tools)}})
    other = create_run(config, run.parent / "other")
    keep_identity(other, identity_of(config, open_configured(config.data, config.method.type)))
    assert changes_since(other) == []
    assert kept_reward(other, "environment").read_text() == "x = 1\n"
    tools.write_text("x = 2\n")
    assert changes_since(other) == [
        "The file of the environment changed since the run began; its text of then is "
        f"{kept_reward(other, 'environment')}."
    ]


def test_a_package_of_another_version_is_told_and_one_that_shapes_nothing_is_not(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(RunPaths(run).identity.read_text())["packages"]
    assert {"mlx", "mlx-lm", "transformers", "jinja2"} <= set(kept)
    assert "verifiers" not in kept
    puzzles = resolve({"environment": {"type": "verifiers", "id": "owner/wordle"}})
    asked: list[str] = []
    monkeypatch.setattr(packages, "version", lambda name: asked.append(name) or "9.9")
    assert packages.packages_of(puzzles)["verifiers"] == "9.9"
    assert asked[-2:] == ["verifiers", "wordle"]
    monkeypatch.setattr(packages, "version", lambda name: "9.9" if name == "mlx" else kept.get(name, "1"))
    (said,) = changes_since(run)
    assert said.startswith(f"Packages changed since the run began: mlx {kept['mlx']} is 9.9 now.")


def test_the_code_of_a_served_environment_is_compared(run: Path) -> None:
    folder = run.parent / "echo"
    (folder / "server").mkdir(parents=True)
    (folder / "openenv.yaml").write_text("app: server.app:app\n")
    app = folder / "server" / "app.py"
    app.write_text("app = 1\n")
    values = configured(run.parent).model_dump(mode="json")
    config = resolve({**values, "environment": {"type": "openenv", "server": str(folder)}})
    other = create_run(config, run.parent / "other")
    keep_identity(other, identity_of(config, open_configured(config.data, config.method.type)))
    assert changes_since(other) == []
    app.write_text("app = 2\n")
    assert changes_since(other) == [f"{app}, of the environment, changed since the run began."]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("mine.py", lambda text: text.replace(b"1", b"2"), "The file of the reward `mine` changed"),
        (
            "data/train.jsonl",
            lambda text: text.replace(b"4", b"5"),
            "train.jsonl changed since the run began: the size",
        ),
        (
            "model/model.safetensors",
            lambda data: data[:-1] + b"\1",
            "The model's weights changed since the run began",
        ),
        (
            "model/tokenizer.json",
            lambda text: text.replace(b"a", b"b", 1),
            "The model's `tokenizer.json` changed",
        ),
    ],
)
def test_a_file_of_the_same_size_and_time_is_known_by_its_content(
    run: Path, file: str, change: Callable[[bytes], bytes], said: str
) -> None:
    rewritten(run.parent / file, change)
    (sentence,) = changes_since(run)
    assert sentence.startswith(said) or said in sentence


def test_a_chat_template_and_nothing_else_of_its_file(run: Path) -> None:
    file = run.parent / "model" / "tokenizer_config.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps(values, indent=3))
    assert changes_since(run) == []
    file.write_text(json.dumps({**values, "chat_template": "{{ messages }}"}))
    assert changes_since(run) == ["The model's chat template changed since the run began."]


def test_a_template_that_stands_beside_the_default_one(run: Path) -> None:
    folder = run.parent / "model" / "additional_chat_templates"
    folder.mkdir()
    (folder / "tool_use.jinja").write_text("{{ tools }}")
    assert changes_since(run) == ["The model's chat template changed since the run began."]


@pytest.mark.parametrize("file", ["helper.py", "parts/scale.py", "parts/units.py"])
def test_what_a_reward_file_imports_beside_it(run: Path, file: str) -> None:
    """A change of what it does not import is none."""
    (run.parent / "unused.py").write_text("x = 2\n")
    assert changes_since(run) == []
    rewritten(run.parent / file, lambda text: text + b"# more\n")
    assert changes_since(run) == [
        f"{run.parent / file}, which the file of the reward `mine` imports, changed since the run began."
    ]
    keep_rewards_anew(run, configured(run.parent))
    assert changes_since(run) == []


def test_a_setting_of_the_tokenizer_by_its_name(run: Path) -> None:
    file = run.parent / "model" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token": "<other>"}))
    assert changes_since(run) == ["The tokenizer's `eos_token` changed since the run began."]


def test_each_setting_with_both_values_but_not_the_name(run: Path) -> None:
    config = configured(run.parent)
    changed = config.model_copy(
        update={
            "name": "another",
            "optimizer": config.optimizer.model_copy(update={"learning_rate": 0.5}),
            "rewards": (config.rewards[0].model_copy(update={"weight": 3.0}),),
        }
    )
    RunPaths(run).config.write_text(dump_yaml(changed))
    assert changes_since(run) == [
        "`rewards.0.weight` was 1.0 and is 3.0 now.",
        f"`optimizer.learning_rate` was {config.optimizer.learning_rate} and is 0.5 now.",
    ]


def test_a_setting_that_an_older_version_did_not_know_is_no_change(run: Path) -> None:
    kept, file = RunPaths(run).identity, RunPaths(run).config
    values, settings = json.loads(kept.read_text()), yaml.safe_load(file.read_text())
    for one in (values["settings"], settings):
        del one["memory"], one["sampling"]["top_p"]
    kept.write_text(json.dumps(values))
    file.write_text(yaml.safe_dump(settings))
    assert changes_since(run) == []
    settings["sampling"]["top_p"] = 0.5
    file.write_text(yaml.safe_dump(settings))
    assert changes_since(run) == ["`sampling.top_p` was 1.0 and is 0.5 now."]


def test_what_is_gone_is_told(run: Path) -> None:
    (run.parent / "mine.py").unlink()
    (run.parent / "data" / "train.jsonl").unlink()
    said = " ".join(changes_since(run))
    assert "The file of the reward `mine` can no longer be read" in said
    assert "train.jsonl cannot be read any more" in said


@pytest.mark.parametrize(
    "content", ["", "[]", "7", '{"model": 3, "data": [1, {}], "rewards": []}', "{" * 9999]
)
def test_what_was_kept_may_have_any_shape(run: Path, content: str) -> None:
    RunPaths(run).identity.write_text(content)
    assert changes_since(run) == []
