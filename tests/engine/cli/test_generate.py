"""`droid-tune generate` on a model of 260,032 parameters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.paths import bundled_model_dir


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["generate", *words]) == 0
    return capsys.readouterr().out


def test_greedy_answers_are_the_same_each_time(
    stories_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", str(stories_model), "--prompt", "Once upon a time", "--max-tokens", "12")
    first = said(capsys, *words)
    assert first.strip()
    assert said(capsys, *words) == first


def test_more_tokens_go_on_where_fewer_ended(stories_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--model", str(stories_model), "--prompt", "Once upon a time")
    short = said(capsys, *words, "--max-tokens", "6").rstrip("\n")
    assert said(capsys, *words, "--max-tokens", "12").startswith(short)


def test_the_seed_decides_a_sampled_answer(stories_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--model", str(stories_model), "--prompt", "Once", "--max-tokens", "16", "--temperature", "1")
    seven = said(capsys, *words, "--seed", "7")
    assert said(capsys, *words, "--seed", "7") == seven
    assert said(capsys, *words, "--seed", "8") != seven


def test_a_template_that_leaves_the_question_out_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(bundled_model_dir("starter") or "", tmp_path / "model")
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{% if add_generation_prompt %}Say it: {% endif %}"
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    assert main(["generate", "--model", str(model), "--prompt", "What is 2 + 3?", "--max-tokens", "4"]) == 0
    assert "The template leaves out the text of a turn (user)." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--model", "/no/such/folder", "--prompt", "x"], 1, "no such model folder"),
        (["--run", "no-such-run", "--prompt", "x"], 1, "There is no run `no-such-run`"),
        (["--prompt", "x", "--temperature", "9"], 2, "--temperature 9 must lie between 0 and 5"),
        (["--prompt", "x", "--max-tokens", "0"], 2, "whole number of 1 or more"),
        ([], 2, "--prompt"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *words]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_gguf_is_said_to_be_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    assert main(["generate", "--run", str(file), "--prompt", "x"]) == 1
    told = capsys.readouterr().err
    assert f"{file}: this is a model in GGUF and no run; ask it with llama.cpp or Ollama" in told
    assert told.count("\n") == 1
