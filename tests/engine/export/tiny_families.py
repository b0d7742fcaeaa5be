"""Tiny random models of every family that a GGUF file can hold, with a real tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes

from droid_tune.export.checking.exam import Exam, ExamQuestion
from droid_tune.export.checking.sitting_mlx import own_answer
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from tests.engine.model.tiny import CONFIGS

#: rows of the prompts and answers are longer than every window
_WINDOW = {"sliding_window": 12}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
#: heads wide enough for scalings, whose second frequency is never scaled
_WIDE = {"head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 1}
#: name of a case -> changes to the tiny config of its architecture
CASES: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "llama with llama3 scaling": {"model_type": "llama", "rope_scaling": _LLAMA3, **_WIDE},
    "llama with linear scaling": {"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama with biases": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "mistral": {"model_type": "mistral"},
    "qwen2": {"model_type": "qwen2"},
    "qwen2 with yarn": {
        **_WIDE,
        "model_type": "qwen2",
        "hidden_size": 64,
        "max_position_embeddings": 16384,
        "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096},
    },
    "qwen3": {"model_type": "qwen3", "head_dim": 16},
    "qwen3_moe": {"model_type": "qwen3_moe", "moe_intermediate_size": 32},
    "gemma2": {"model_type": "gemma2", "sliding_window": 4096},
    "gemma3_text": {
        "model_type": "gemma3_text",
        "sliding_window_pattern": 6,
        "num_hidden_layers": 7,
        **_WINDOW,
    },
    "phi3": {"model_type": "phi3"},
    "phi3 with longrope": {
        "model_type": "phi3",
        "original_max_position_embeddings": 512,
        "max_position_embeddings": 4096,
        "rope_scaling": {
            "type": "longrope",
            "long_factor": [1.0, 1.5, 2.0, 4.0],
            "short_factor": [1.0, 1.1, 1.2, 1.3],
        },
    },
    "smollm3": {"model_type": "smollm3", "no_rope_layer_interval": 4},
}


def tiny_folder(folder: Path, case: str, tokenizer: Path) -> Path:
    """A model folder of random weights in float32 whose vocabulary is the tokenizer's."""
    changes = CASES[case]
    kind = changes["model_type"]
    words = json.loads((tokenizer / "tokenizer.json").read_text())
    size = 1 + max([*words["model"]["vocab"].values(), *(one["id"] for one in words["added_tokens"])])
    base = CONFIGS.get(kind, CONFIGS["llama"])
    config = {**base, "intermediate_size": 64, **changes, "vocab_size": size, "eos_token_id": 2}
    model_class, arguments = _get_classes(config)
    mx.random.seed(7)
    model = model_class(arguments.from_dict(config))
    rng = np.random.default_rng(5)
    arrays = {
        name: array + mx.array(0.2 * rng.standard_normal(array.shape).astype(np.float32))
        for name, array in tree_flatten(model.parameters())
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    mx.save_safetensors(str(folder / "model.safetensors"), arrays, metadata={"format": "mlx"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, folder / name)
    return folder


def tiny_family(folder: Path, case: str, tokenizer: Path) -> Policy:
    return load_policy(tiny_folder(folder, case, tokenizer))


def random_exam(policy: Policy, texts: list[str], most_tokens: int = 20) -> Exam:
    """The texts as prompts, answered greedily by the policy."""
    prompts = [list(policy.tokenizer.encode(text)) for text in texts]
    questions = [
        ExamQuestion(text, prompt, own_answer(policy.model, policy.tokenizer, prompt, most_tokens)[0])
        for text, prompt in zip(texts, prompts, strict=True)
    ]
    return Exam(tuple(questions), (), tuple(sorted(policy.stop_tokens)), most_tokens)
