"""Model folders made of headers alone: config.json and safetensors whose weights were never written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.machine.host import Host
from tests.weights import header_only

MakeModel = Callable[..., Path]

#: a small Llama: hidden 64, 2 layers, 4 heads of 16, 2 of them for keys, vocabulary 1,000
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": True,
}
MATRICES = {
    "self_attn.q_proj": (64, 64),
    "self_attn.k_proj": (32, 64),
    "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64),
    "mlp.gate_proj": (192, 64),
    "mlp.up_proj": (192, 64),
    "mlp.down_proj": (64, 192),
}
PER_LAYER = sum(rows * columns for rows, columns in MATRICES.values())  # 49,152


def dense(dtype: str = "BF16") -> dict[str, tuple[str, tuple[int, ...]]]:
    """Every tensor of CONFIG's model."""
    tensors = {"model.embed_tokens.weight": (dtype, (1000, 64)), "model.norm.weight": (dtype, (64,))}
    for layer in range(2):
        for name, shape in MATRICES.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = (dtype, shape)
        tensors[f"model.layers.{layer}.input_layernorm.weight"] = (dtype, (64,))
    return tensors


def packed(bits: int, group: int = 32) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The same, quantised as mlx-lm writes it."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, (dtype, shape) in dense().items():
        if len(shape) == 1:
            tensors[name] = (dtype, shape)
            continue
        rows, columns = shape
        own = name.removesuffix(".weight")
        tensors[name] = ("U32", (rows, columns * bits // 32))
        tensors[f"{own}.scales"] = tensors[f"{own}.biases"] = ("BF16", (rows, columns // group))
    return tensors


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes a model folder from a config and tensors."""

    def make(
        tensors: dict[str, tuple[str, tuple[int, ...]]] | None = None,
        config: dict[str, Any] | None = None,
        name: str = "model",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
        if tensors is not None:
            header_only(folder / "model.safetensors", tensors)
        return folder

    return make


@pytest.fixture
def mac() -> Host:
    """A MacBook Air with 16 GB."""
    return Host(16 * 2**30, 2**34 * 2 // 3, "Apple M2", 4 * 2**30, "metal")
