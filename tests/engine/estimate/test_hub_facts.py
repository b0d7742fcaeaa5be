"""What is known of a model that is not on this computer: nothing, or what the Hub says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli import main
from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.estimate.estimate import estimate
from droid_tune.machine.host import Host
from droid_tune.model_files import hub_facts
from droid_tune.model_files.read_facts import facts_of, read_model
from tests.engine.estimate.conftest import CONFIG, MakeModel, dense
from tests.hub_server import LLAMA_70B, TINY, serving

PLACE = "model.layers.7"
HOST = Host(memory_bytes=64 * 10**9, gpu_limit_bytes=48 * 10**9, chip="Apple M2 Max", used_by_others_bytes=0)


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty cache of the Hub, and a server in its place."""
    monkeypatch.setattr(hub_facts, "_FETCHED", {})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving() as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield


def verdict(name: str) -> str:
    return estimate(resolve({"model": {"path": name}}), host=HOST).verdict


def test_a_model_that_nobody_knows_is_unknown_and_never_fits() -> None:
    found = estimate(resolve({"model": {"path": "org/large"}}), host=HOST)
    assert found.verdict == "unknown"
    assert not found.suggestions
    told = json.loads(json.dumps(found.to_json()))
    assert told["memory"] == {"peak_bytes": None, "parts": {}}
    assert told["time"] == {"seconds_per_step": None, "basis": None}
    assert "stages" not in found.details()


def test_a_teacher_that_nobody_knows_makes_the_answer_unknown() -> None:
    found = estimate(resolve({"method": {"type": "gkd", "teachers": ["org/large"]}}), host=HOST)
    assert found.verdict == "unknown"
    assert found.notes == (
        "The model org/large is not on this computer, so its memory and time are not known.",
    )


def test_the_estimate_follows_what_the_hub_says() -> None:
    large = hub_facts.fetch_facts("org/large")
    assert large.weight_bytes == 2 * 70_553_706_496
    assert large.parameters == 70_553_706_496  # norms too: the sizes of the config alone make 70,552,387,584
    hub_facts.fetch_facts("org/tiny")
    assert (verdict("org/large"), verdict("org/tiny")) == ("too_large", "fits")


def test_only_the_files_that_are_loaded_count() -> None:
    assert hub_facts.fetch_facts("org/tiny").weight_bytes == 300_000  # without the optimizer's terabyte


def test_the_config_in_the_cache_answers_when_the_hub_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_facts.fetch_facts("org/large")
    monkeypatch.setattr(hub_facts, "_FETCHED", {})  # another start of the program
    found = hub_facts.facts_at_hand("org/large")
    assert found.known
    assert found.weight_bytes == 2 * found.parameters
    assert verdict("org/large") == "too_large"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("org/missing", "has no such model, or it is private, so whether it fits is not known"),
        ("org/silent", "does not say how large it is"),
    ],
)
def test_what_the_hub_does_not_tell_stays_unknown(name: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        hub_facts.fetch_facts(name)
    assert said in str(caught.value)
    assert verdict(name) == "unknown"


@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_without_a_network_one_sentence_says_so(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "offline":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert main(["estimate", "--no-data", "--set", "model.path=org/large"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Whether it fits is not known")
    assert "GB of the" not in said.out
    assert said.err.count("the Hugging Face Hub cannot be reached") == 1


def test_the_terminal_asks_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--no-data", "--json", "--set", "model.path=org/large"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["memory"]["peak_bytes"] > 141_000_000_000
    assert told["verdict"] == "too_large"


def test_half_a_download_is_not_taken_for_the_whole(make_model: MakeModel) -> None:
    """Weights of which a shard is missing: the config and the index say how large the whole is."""
    folder = make_model(dense(), config={**CONFIG, **LLAMA_70B})
    index = {
        "metadata": {"total_size": 141_107_412_992},
        "weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_model(folder).weight_bytes == 141_107_412_992
    assert verdict(str(folder)) == "too_large"


def test_a_folder_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    assert not read_model(tmp_path).known
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    assert read_model(tmp_path).known


@pytest.mark.parametrize("key", ["quantization", "quantization_config"])
def test_packed_weights_are_counted_by_their_bits(key: str) -> None:
    """4 bits, and two numbers of 16 bits for every 32 weights: 5 bits each."""
    found = facts_of({**LLAMA_70B, key: {"bits": 4, "group_size": 32}}, ())
    assert found.weight_bytes == found.parameters * 5 // 8
    assert found.quantised


@pytest.mark.parametrize(
    ("settings", "bits"),
    [
        ({"bits": 4, "group_size": 64, f"{PLACE}.mlp.down_proj": {"bits": 8, "group_size": 64}}, 8.5),
        ({"bits": 4, "group_size": 64, f"language_model.{PLACE}.mlp.down_proj": False}, 16),
        ({"bits": 4, "group_size": 64, f"{PLACE}.mlp.down_proj": True}, 4.5),
        ({"bits": 4, "group_size": 64, "model.layers.7.mlp.other": {"bits": 8}}, 4.5),
    ],
)
def test_a_matrix_of_other_bits_is_counted_by_its_own(settings: dict[str, Any], bits: float) -> None:
    """Models of mixed bits, all of whose layers were packed in 8 bits beside a default of 4, passed for half their size."""
    alike = facts_of({**LLAMA_70B, "quantization": {"bits": 4, "group_size": 64}}, ())
    mixed = facts_of({**LLAMA_70B, "quantization": settings}, ())
    matrix = LLAMA_70B["hidden_size"] * LLAMA_70B["intermediate_size"]
    assert mixed.weight_bytes - alike.weight_bytes == round(matrix * (bits - 4.5) / 8)


def test_other_libraries_leave_the_embedding_as_it_is() -> None:
    mlx = facts_of({**LLAMA_70B, "quantization": {"bits": 4, "group_size": 64}}, ())
    section = {"quant_method": "gptq", "bits": 4, "group_size": 64}
    gptq = facts_of({**LLAMA_70B, "quantization_config": section}, ())
    tables = 2 * LLAMA_70B["vocab_size"] * LLAMA_70B["hidden_size"]
    assert gptq.weight_bytes - mlx.weight_bytes == round(tables * (16 - 4.5) / 8)


def test_experts_in_mxfp4_weigh_four_bits_and_their_scales() -> None:
    """gpt-oss-20b: 13.8 GB on disk, told as 41.8 while its weights were not here."""
    config = {
        "model_type": "gpt_oss",
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": 24,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 201_088,
        "num_local_experts": 32,
        "tie_word_embeddings": False,
        "quantization_config": {"quant_method": "mxfp4"},
    }
    assert 13.0e9 < facts_of(config, ()).weight_bytes < 14.5e9
