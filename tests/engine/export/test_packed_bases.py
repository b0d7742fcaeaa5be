"""Merged models of bases that are packed layer by layer, or whose scales are codes, compute as the run's model does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_map
from mlx_lm.utils import load, load_model, quantize_model, save

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.export.repacking import pack, unpack
from droid_tune.model.fusing import fuse_adapter, save_model
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from tests.engine.export.tiny_families import tiny_folder

SEQUENCE = mx.array([[1, *range(300, 340)]])


def layer_by_layer(name: str, module: Any) -> Any:
    """Eight bits where it matters, as mlx-lm's mixed recipes do."""
    return (
        {"group_size": 32, "bits": 8 if "down_proj" in name else 4}
        if hasattr(module, "to_quantized")
        else False
    )


def packed_folder(folder: Path, tokenizer: Path, **how: Any) -> Path:
    """A tiny Llama, packed by mlx-lm itself."""
    plain = tiny_folder(folder / "plain", "llama", tokenizer)
    model, words, config = load(str(plain), return_config=True)  # pyright: ignore
    model, config = quantize_model(model, config, 32, 4, **how)
    save(folder / "packed", str(plain), model, words, config)
    return folder / "packed"


def learnt(folder: Path, layers: int) -> Policy:
    """With an adapter that changes what the last layers compute."""
    policy = load_policy(folder, AdapterConfig(layers=layers, scale=1.0))
    rng = np.random.default_rng(3)

    def drawn(array: mx.array) -> mx.array:
        return mx.array(0.1 * rng.standard_normal(array.shape).astype(np.float32))

    policy.model.update(tree_map(drawn, policy.model.trainable_parameters()))
    return policy


def in_float32(array: mx.array) -> mx.array:
    return array.astype(mx.float32) if mx.issubdtype(array.dtype, mx.floating) else array


def logits(model: Any) -> Any:
    """In float32, so that only the weights' own rounding differs."""
    model.update(tree_map(in_float32, model.parameters()))
    return np.array(model(SEQUENCE))


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("layers", [1, -1])
@pytest.mark.parametrize(
    ("how", "most"),
    [({"quant_predicate": layer_by_layer}, 1e-4), ({"mode": "mxfp4"}, 5e-2)],
    ids=["mixed", "mxfp4"],
)
def test_a_merged_model_computes_as_the_adapted_one(
    how: Any, most: float, layers: int, unpacked: bool, stories_model: Path, tmp_path: Path
) -> None:
    policy = learnt(packed_folder(tmp_path, stories_model, **how), layers)
    before = np.array(load_model(tmp_path / "packed")[0](SEQUENCE))
    wanted = logits(policy.model)
    assert np.abs(before - wanted).max() > 0.5
    fuse_adapter(policy)
    if unpacked:
        unpack(policy)
    save_model(policy, tmp_path / "out")
    written = load_model(tmp_path / "out")[0]
    np.testing.assert_allclose(logits(written), wanted, atol=most * np.abs(wanted).max())


def test_a_router_has_the_bits_that_its_architecture_wants(stories_model: Path, tmp_path: Path) -> None:
    """Also a layer of an odd width stays as it is."""
    policy = load_policy(tiny_folder(tmp_path / "plain", "qwen3_moe", stories_model))
    fuse_adapter(policy)
    layer = policy.model.layers[0]
    layer.mlp.gate = nn.Linear(64, 4, bias=False)
    layer.mlp.switch_mlp.down_proj.weight = mx.zeros((4, 32, 24))
    assert pack(policy, 4).layers == 1 + 4 * 8 - 2  # embedding, four layers of eight
    settings = policy.config["quantization"]
    gate = "model.layers.0.mlp.gate"
    assert settings == {"group_size": 32, "bits": 4, gate: {"group_size": 64, "bits": 8}}
    assert (layer.mlp.gate.bits, layer.mlp.gate.group_size) == (8, 64)
    assert "scales" not in layer.mlp.switch_mlp.down_proj


def test_what_a_nested_config_says_of_packing_goes_with_it(stories_model: Path, tmp_path: Path) -> None:
    policy = learnt(packed_folder(tmp_path, stories_model), -1)
    policy.config["text_config"] = {"hidden_size": 32, "quantization_config": {"quant_method": "gptq"}}
    fuse_adapter(policy)
    unpack(policy)
    save_model(policy, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["text_config"] == {"hidden_size": 32}
    assert "quantization" not in config
    assert "quantization_config" not in config


def test_a_config_says_how_weights_are_packed_in_memory(stories_model: Path, tmp_path: Path) -> None:
    """mlx-lm takes a foreign way of packing apart when it reads it; written again, the weights are packed its way."""
    folder = packed_folder(tmp_path, stories_model, mode="mxfp4")
    config = json.loads((folder / "config.json").read_text())
    config.pop("quantization")
    config["quantization_config"] = {"quant_method": "mxfp4"}
    (folder / "config.json").write_text(json.dumps(config))
    policy = learnt(folder, 1)
    assert policy.config["quantization"] == {"group_size": 32, "bits": 4, "mode": "mxfp4"}
