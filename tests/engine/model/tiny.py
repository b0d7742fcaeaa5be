"""Tiny random models of many architectures, with a tokenizer stub: ids are the text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.utils import _get_classes

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.model.loading import make_policy
from droid_tune.model.policy import Policy

VOCABULARY = 64
BASE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
MOE: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 16,
    "norm_topk_prob": True,
}
#: sliding windows are 6 tokens, shorter than the sequences of the tests, so that they matter
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": BASE,
    "mistral": {**BASE, "tie_word_embeddings": False},
    "qwen2": BASE,
    "qwen3": BASE,
    "qwen3_moe": {**BASE, **MOE},
    "gemma2": {
        **BASE,
        "query_pre_attn_scalar": 8,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 3.0,
        "sliding_window": 6,
    },
    "gemma3_text": {
        **BASE,
        "sliding_window": 6,
        "sliding_window_pattern": 2,
        "query_pre_attn_scalar": 8,
        "rope_local_base_freq": 10000.0,
    },
    "phi3": {**BASE, "tie_word_embeddings": False, "original_max_position_embeddings": 512},
    "granite": {
        **BASE,
        "logits_scaling": 2.0,
        "attention_multiplier": 0.3,
        "embedding_multiplier": 2.0,
        "residual_multiplier": 0.5,
        "attention_bias": False,
        "mlp_bias": False,
    },
    "gpt_oss": {
        **BASE,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_scaling": {"rope_type": "default"},
    },
    "lfm2": {
        **BASE,
        "norm_eps": 1e-5,
        "conv_bias": False,
        "conv_L_cache": 3,
        "block_dim": 32,
        "block_ff_dim": 48,
        "block_multiple_of": 8,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False,
        "full_attn_idxs": [1, 3],
    },
    "qwen3_next": {
        **BASE,
        **MOE,
        "linear_num_value_heads": 2,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_conv_kernel_dim": 3,
        "shared_expert_intermediate_size": 16,
        "partial_rotary_factor": 0.5,
        "full_attention_interval": 2,
    },
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "intermediate_size": 64,
        "num_heads": 4,
        "head_dim": 16,
        "state_size": 8,
        "conv_kernel": 4,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "layer_norm_epsilon": 1e-5,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": True,
        "time_step_limit": [0.001, 100.0],
        "time_step_rank": 4,
        "max_position_embeddings": 512,
    },
}


class IdTokenizer:
    """Text is the ids with spaces between; 1 ends a sequence."""

    eos_token_ids = frozenset({1})
    unk_token_id = None
    has_chat_template = False

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = False) -> str:
        return " ".join(str(token) for token in tokens if not (skip_special_tokens and token == 1))

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [int(word) for word in text.split()]

    def convert_tokens_to_ids(self, token: str) -> int:
        return int(token)


def tiny_model(architecture: str, *, seed: int = 0, **changes: Any) -> nn.Module:
    """A random model whose logits vary enough to tell a right position from a wrong one."""
    model_class, arguments = _get_classes({"model_type": architecture})
    mx.random.seed(seed)
    model = model_class(arguments.from_dict({"model_type": architecture, **CONFIGS[architecture], **changes}))
    mx.eval(model.parameters())
    return model


def tiny_policy(
    architecture: str = "llama",
    adapter: AdapterConfig | None = None,
    *,
    quantise: int | None = None,
    stir: bool = True,
    **changes: Any,
) -> Policy:
    """A policy whose adapter already does something (`stir`): with B = 0 half of the gradient is 0."""
    model = tiny_model(architecture, **changes)
    if quantise:
        nn.quantize(model, group_size=32, bits=quantise)
    config = {"model_type": architecture, **CONFIGS[architecture], **changes}
    settings = adapter or AdapterConfig(rank=4, scale=2.0)
    policy = make_policy(model, IdTokenizer(), config, Path("tiny"), settings, seed=1)
    if stir:
        rng = np.random.default_rng(2)
        moved = [
            (name, array + mx.array(0.1 * rng.standard_normal(array.shape).astype(np.float32)))
            for name, array in policy.trainable().items()
        ]
        policy.model.update(tree_unflatten(moved))
    return policy


def one_row_logprobs(
    policy: Policy, prompt: Sequence[int], completion: Sequence[int], temperature: float
) -> mx.array:
    """The yardstick: one full forward pass over one row; float32 log-probabilities of its completion (T,)."""
    tokens = mx.array([[*prompt, *completion]])
    start = len(prompt) - 1
    logits = policy.model(tokens)[0, start : start + len(completion)].astype(mx.float32) / temperature
    everything = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    return mx.take_along_axis(everything, mx.array(list(completion))[:, None], axis=-1)[:, 0]


def flat(tree: Any) -> dict[str, mx.array]:
    return dict(tree_flatten(tree))
