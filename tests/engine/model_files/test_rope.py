"""Rotary settings as transformers 5 saves them, read for mlx-lm."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from droid_tune.model_files.rope import missing_keys, said_of, thetas

LLAMA3 = {
    "rope_theta": 500000.0,
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_base_and_scaling_come_from_the_one_object() -> None:
    found = missing_keys({"model_type": "llama", "rope_parameters": LLAMA3})

    assert found["rope_theta"] == 500000.0
    assert found["rope_scaling"] == {
        "type": "llama3",
        **{key: value for key, value in LLAMA3.items() if key != "rope_theta"},
    }
    assert said_of(found) == "rope_theta 500000, rope_scaling llama3"


def test_the_default_kind_is_no_scaling() -> None:
    assert "rope_scaling" not in missing_keys(
        {"rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}}
    )


def test_a_base_for_each_kind_of_layer() -> None:
    kinds = {
        "full_attention": {"rope_theta": 1e6, "rope_type": "linear", "factor": 8.0},
        "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
    }
    found = missing_keys({"model_type": "gemma3_text", "rope_parameters": kinds})

    assert (found["rope_theta"], found["rope_local_base_freq"]) == (1e6, 1e4)
    assert found["rope_scaling"] == {"rope_type": "linear", "type": "linear", "factor": 8.0}
    assert thetas({"rope_parameters": kinds}) == {1e6, 1e4}


def test_what_is_there_already_stays() -> None:
    config = {"rope_theta": 7.0, "rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": LLAMA3}
    assert not {"rope_theta", "rope_scaling"} & missing_keys(config).keys()


def test_a_part_of_each_head_may_be_turned() -> None:
    found = missing_keys({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.25}})
    assert found == {"rope_theta": 1e4, "partial_rotary_factor": 0.25}


def test_gpt_neox_has_names_of_its_own() -> None:
    parameters = {"rope_theta": 1e4, "partial_rotary_factor": 0.25, "rope_type": "default"}
    found = missing_keys({"model_type": "gpt_neox", "rope_parameters": parameters})
    assert found == {"rotary_emb_base": 1e4, "rotary_pct": 0.25}


def test_nested_text_configs_are_filled_and_kept() -> None:
    found = missing_keys({"text_config": {"hidden_size": 8, "rope_parameters": {"rope_theta": 5.0}}})
    assert found["text_config"]["hidden_size"] == 8
    assert found["text_config"]["rope_theta"] == 5.0


def test_experts_go_by_two_names() -> None:
    assert missing_keys({"num_local_experts": 4}) == {"num_experts": 4}
    assert missing_keys({"num_experts": 4}) == {"num_local_experts": 4}


@pytest.mark.parametrize(
    "config",
    [{}, {"rope_theta": 1e4}, {"rope_parameters": None}, {"rope_parameters": "odd"}],
)
def test_an_older_config_lacks_nothing(config: dict[str, object]) -> None:
    assert missing_keys(config) == {}


@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "mistral:llama",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi",
        "phi3",
        "cohere",
        "cohere2",
        "deepseek_v2",
        "deepseek_v3",
        "glm4",
        "olmo2",
        "olmo3",
        "olmoe",
        "starcoder2",
        "stablelm",
        "smollm3",
        "granite",
        "ernie4_5",
        "gpt_neox",
    ],
)
def test_the_base_that_transformers_saves_is_the_one_that_mlx_lm_takes(family: str, tmp_path: Path) -> None:
    from transformers import CONFIG_MAPPING

    name, _, module = family.partition(":")
    written = CONFIG_MAPPING[name]()
    for one in _kinds(written.rope_parameters):
        one["rope_theta"] = 123456.0
    written.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "rope_theta" not in config

    arguments = importlib.import_module(f"mlx_lm.models.{module or name}").ModelArgs
    taken = arguments.from_dict({"head_dim": 8, "qk_norm": False, **config, **missing_keys(config)})

    key = "rotary_emb_base" if name == "gpt_neox" else "rope_theta"
    assert getattr(taken, key) == 123456.0


def _kinds(parameters: dict[str, object]) -> list[dict[str, object]]:
    """One object, or one for each kind of layer."""
    inner = [one for one in parameters.values() if isinstance(one, dict)]
    return inner or [parameters]
