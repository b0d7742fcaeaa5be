"""Tiny random models whose layers hold states: the families of the gated delta rule, Mamba-2, linear attention, RWKV-7."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from tests.engine.model.tiny import BASE, MOE, VOCABULARY

DELTA: dict[str, Any] = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_conv_kernel_dim": 3,
}
MAMBA: dict[str, Any] = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_d_conv": 4,
    "mamba_n_groups": 2,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
}
#: by mlx-lm's name of the family
RECURRENT: dict[str, dict[str, Any]] = {
    "qwen3_5": {
        "text_config": {
            **BASE,
            **DELTA,
            "full_attention_interval": 2,
            "rope_parameters": {"type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        }
    },
    "olmo_hybrid": {
        **BASE,
        **DELTA,
        "linear_allow_neg_eigval": True,
        "attention_bias": False,
        "layer_types": ["linear_attention", "full_attention"] * 2,
    },
    "kimi_linear": {
        **BASE,
        "linear_attn_config": {
            "kda_layers": [1, 3],
            "full_attn_layers": [2, 4],
            "num_heads": 4,
            "head_dim": 8,
            "short_conv_kernel_size": 3,
        },
        "model_max_length": 512,
        "num_experts": 4,
        "num_experts_per_token": 2,
        "num_shared_experts": 1,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
        "topk_group": 1,
    },
    "nemotron_h": {
        **BASE,
        "attention_bias": False,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "mamba_proj_bias": False,
        "ssm_state_size": 8,
        "conv_kernel": 4,
        "n_groups": 2,
        "mlp_bias": False,
        "layer_norm_epsilon": 1e-5,
        "use_bias": False,
        "use_conv_bias": True,
        "hybrid_override_pattern": ["M", "-", "*", "M"],
        "tie_word_embeddings": False,
    },
    "falcon_h1": {**BASE, **MAMBA, "mamba_d_ssm": 64, "lm_head_multiplier": 1.0},
    "granitemoehybrid": {
        **BASE,
        **MAMBA,
        "attention_bias": False,
        "embedding_multiplier": 2.0,
        "attention_multiplier": 0.3,
        "logits_scaling": 2.0,
        "residual_multiplier": 0.5,
        "layer_types": ["mamba", "attention"] * 2,
    },
    "plamo2": {
        **BASE,
        "hidden_size_per_head": 8,
        "mamba_num_heads": 4,
        "mamba_d_state": 8,
    },
    "bailing_moe_linear": {
        **BASE,
        **MOE,
        "num_key_value_heads": 4,
        "num_shared_experts": 1,
        "first_k_dense_replace": 1,
        "layer_group_size": 2,
        "group_norm_size": 4,
        "topk_group": 1,
        "partial_rotary_factor": 0.5,
        "use_qk_norm": True,
    },
    "rwkv7": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "norm_eps": 1e-5,
        "head_dim": 8,
        "num_hidden_layers": 3,
        "a_low_rank_dim": 4,
        "v_low_rank_dim": 4,
        "gate_low_rank_dim": 4,
        "decay_low_rank_dim": 4,
    },
}


def without_zeros(model: nn.Module) -> None:
    """Numbers in place of weights that are all 0, adapters' apart: mlx-lm begins RWKV-7 so, whose states then hold nothing and
    whose keys have no length that could be differentiated."""
    rng = np.random.default_rng(1)
    zeros = [
        (name, mx.array(0.3 * rng.standard_normal(array.shape), array.dtype))
        for name, array in tree_flatten(model.parameters())
        if not name.endswith("lora_b") and not mx.any(array).item()
    ]
    model.update(tree_unflatten(zeros))
