"""Which layer of settings wins, and that a fault is wrong usage, said in one sentence."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from droid_tune.cli.run_arguments import add_run_arguments, config_from
from droid_tune.config import RunConfig
from droid_tune.errors import UsageError


def config(*words: str) -> RunConfig:
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    return config_from(parser.parse_args(words))


def test_without_arguments_the_starter_learns_from_the_sample_data() -> None:
    defaults = config()
    assert (defaults.model.path, defaults.data.path, defaults.method.type) == ("starter", "sample", "grpo")


def test_set_wins_over_the_argument_and_the_argument_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "name: from file\nmethod: {type: dapo, group_size: 6}\ntraining: {batch_size: 3, seed: 5}\n"
    )
    chosen = config("--config", str(file), "--name", "from argument", "--set", "batch_size=2")
    assert chosen.name == "from argument"
    assert chosen.method.type == "dapo"
    assert chosen.training.batch_size == 2
    assert chosen.training.seed == 5


def test_a_relative_path_is_written_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows").mkdir()
    monkeypatch.chdir(tmp_path)
    assert config("--data", "rows").data.path == str(tmp_path / "rows")


def test_data_named_as_an_argument_takes_the_place_of_the_files_in_the_config(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {files: {train: [a.jsonl], valid: [b.jsonl]}, mapping: {prompt: query}}\n")
    assert config("--config", str(file)).data.files
    chosen = config("--config", str(file), "--data", "sample")
    assert (chosen.data.path, chosen.data.files) == ("sample", {})
    assert chosen.data.mapping == {"prompt": "query"}


def test_a_hub_id_stays_as_it_is() -> None:
    assert config("--model", "mlx-community/Qwen3-0.6B-4bit").model.path == "mlx-community/Qwen3-0.6B-4bit"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "group_siz=4"], "did you mean `group_size`?"),
        (["--set", "group_size"], "needs the form name=value"),
        (["--set", "group_size=1"], "method.group_size"),
        (["--preset", "fastest"], "fast_test"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--method", "gpro"], "grpo"),
    ],
)
def test_a_fault_names_the_remedy(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as fault:
        config(*words)
    assert "\n" not in str(fault.value)


def test_another_trainer_s_config_is_made_ours_and_what_has_no_counterpart_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lora.yaml"
    file.write_text("model: some-model\niters: 7\nlearning_rate: 1e-5\nadapter_path: adapters\n")
    made = config("--config", str(file))
    assert (made.model.path, made.method.type) == ("some-model", "sft")
    assert (made.training.iterations, made.learning_rate) == (7, 1e-5)
    assert "lora.yaml: `adapter_path` has no counterpart: " in capsys.readouterr().err


def test_a_reward_file_is_found_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "run.yaml").write_text("rewards: [{type: user_file, path: mine.py}]\n")
    monkeypatch.chdir(tmp_path)
    (reward,) = config("--config", "run.yaml").rewards
    assert reward.model_dump()["path"] == str((tmp_path / "mine.py").resolve())


def test_columns_are_mapped_by_an_argument_or_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {mapping: {prompt: query, answer: gold}}\n")
    chosen = config("--config", str(file), "--map", "answer=reward_model.ground_truth")
    assert chosen.data.mapping == {"prompt": "query", "answer": "reward_model.ground_truth"}
    chosen = config("--map", "answer=a", "--set", "data.mapping.answer=extra_info.answer")
    assert chosen.data.mapping == {"answer": "extra_info.answer"}
    chosen = config("--map", "prompt=q", "--set", "data.mapping.answer=a", "--set", "data.mapping.system=s")
    assert chosen.data.mapping == {"prompt": "q", "answer": "a", "system": "s"}


def test_going_on_from_a_supervised_run_needs_one() -> None:
    with pytest.raises(UsageError, match="none is named"):
        config("--preset", "from_sft")
    chosen = config("--preset", "from_sft", "--set", "model.start_from=a-run")
    assert chosen.model.start_from == "a-run"
