"""The bundled starter model and sample data are whole, and fit together."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm import generate, load

from droid_tune.config.model_and_data import DataConfig
from droid_tune.config.presets import resolve
from droid_tune.data.dataset import open_configured
from droid_tune.data.synthetic.arithmetic import ANSWER_PATTERN
from droid_tune.paths import sample_data_dir, starter_model_dir

QUESTION = "What is twenty-seven plus thirty-five?"


@pytest.fixture(scope="module")
def starter() -> tuple[Any, Any]:
    model, tokenizer, *_ = load(str(starter_model_dir()))
    return model, tokenizer


def sample_rows(split: str) -> list[dict[str, str]]:
    lines = (sample_data_dir() / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def templated(tokenizer: Any, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True))


def test_the_starter_is_a_small_llama_in_float32(starter: tuple[Any, Any]) -> None:
    model, _ = starter
    weights = dict(tree_flatten(model.parameters()))
    assert model.model_type == "llama"
    assert {weight.dtype for weight in weights.values()} == {mx.float32}
    assert 1e6 < (starter_model_dir() / "model.safetensors").stat().st_size < 2e6


def test_its_template_ends_a_turn_with_the_end_token(starter: tuple[Any, Any]) -> None:
    _, tokenizer = starter
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    ids = list(tokenizer.apply_chat_template(messages))
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids) == "<|user|>Hi<|end|><|assistant|>Ho<|end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_its_generation_prompt_is_a_prefix_of_the_whole_conversation(starter: tuple[Any, Any]) -> None:
    _, tokenizer = starter
    prompt = templated(tokenizer, QUESTION)
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Easy, 62."}]
    assert list(tokenizer.apply_chat_template(messages))[: len(prompt)] == prompt


@pytest.mark.parametrize("text", [QUESTION, "Zoë's 日本 costs 3.50!", " two  spaces\n\tand a tab"])
def test_its_tokenizer_gives_any_text_back(starter: tuple[Any, Any], text: str) -> None:
    _, tokenizer = starter
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_word_of_the_sample_data_is_one_token(starter: tuple[Any, Any]) -> None:
    _, tokenizer = starter
    for row in sample_rows("valid"):
        words = row["prompt"].replace("-", " ").split()
        punctuation = sum(row["prompt"].count(mark) for mark in ".?")
        assert len(tokenizer.encode(row["prompt"])) == len(words) + punctuation


def test_it_answers_in_english_and_stops_by_itself(starter: tuple[Any, Any]) -> None:
    model, tokenizer = starter
    text = generate(model, tokenizer, templated(tokenizer, QUESTION), max_tokens=48)
    assert text.endswith(".")
    assert text.split()[0] in {"Easy,", "I", "Start", "Step"}


def test_it_can_work_carefully_once_it_begins_to(starter: tuple[Any, Any]) -> None:
    model, tokenizer = starter
    prompt = [*templated(tokenizer, QUESTION), *tokenizer.encode("Start")]
    assert generate(model, tokenizer, prompt, max_tokens=48).endswith("The answer is 62.")


def test_the_sample_data_is_complete_and_its_splits_share_no_prompt() -> None:
    train, valid = sample_rows("train"), sample_rows("valid")
    assert len(train) >= 300
    assert len(valid) >= 64
    assert all(set(row) == {"prompt", "answer"} and row["answer"].isdigit() for row in train + valid)
    prompts = [row["prompt"] for row in train + valid]
    assert len(set(prompts)) == len(prompts)


def test_supervised_learning_gets_the_same_problems_worked_out() -> None:
    sample = DataConfig(path="sample")
    asked, worked = open_configured(sample, "grpo"), open_configured(sample, "sft")
    for rewarded, imitated in ((asked.train, worked.train), (asked.valid, worked.valid)):
        assert [row["prompt"] for row in rewarded] == [row["prompt"] for row in imitated]
        for question, answer in zip(rewarded, imitated, strict=True):
            assert answer["answer"].endswith(f"The answer is {question['answer']}.")


def test_the_sample_data_is_what_its_generator_makes(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project_root / "packaging")
    import_module("make_starter").write_sample_data(tmp_path)
    for name in ("train.jsonl", "valid.jsonl", "worked/train.jsonl", "worked/valid.jsonl"):
        assert (tmp_path / name).read_bytes() == (sample_data_dir() / name).read_bytes()


@pytest.mark.parametrize("method", ["grpo", "gspo", "dr_grpo", "dapo", "bnpo", "sft"])
def test_its_recommended_settings_fit_every_method(method: str) -> None:
    config = resolve({"method": method})
    assert config.training.max_seq_length <= 256
    assert config.method.type == method


def test_its_format_reward_asks_for_the_careful_ending() -> None:
    patterns = [reward.pattern for reward in resolve({}).rewards if reward.type == "format"]
    assert patterns == [ANSWER_PATTERN]
