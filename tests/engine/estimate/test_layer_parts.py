"""Memory of models whose layers are not alike, or not as Llama's: experts, other gates, states, latent attention.

The peaks are what `mx.get_peak_memory` said beyond what was there before, of gradients by the engine's own passes of random
models: one row of 1,024 tokens, LoRA of rank 8, 64 tokens of the head at a time (2026-12-01).
"""

from __future__ import annotations

from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.estimate.job import StepJob
from droid_tune.estimate.memory import update_parts
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import sizes_of
from droid_tune.model_files.read_facts import facts_of

WIDE: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "intermediate_size": 704,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "vocab_size": 4096,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
#: 16 bits beneath an adapter of 32
HALF = {"torch_dtype": "bfloat16"}
EXPERTS = {"num_experts": 32, "num_experts_per_tok": 8}
CLIPPED = {"num_local_experts": 8, "num_experts_per_tok": 4, "intermediate_size": 256}
MAMBA2 = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_heads": 8,
    "head_dim": 32,
    "state_size": 64,
    "vocab_size": 64,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
RWKV7 = {key: value for key, value in MAMBA2.items() if key not in ("num_heads", "state_size")} | {
    "head_dim": 64
}


@pytest.mark.parametrize(
    ("family", "config", "whole_mb", "layered_mb"),
    [
        ("qwen3", WIDE, 98.5, 53.7),
        ("qwen3_moe", {**WIDE, **EXPERTS, "moe_intermediate_size": 96}, 207.2, 143.2),
        ("olmoe", {**WIDE, **EXPERTS, "intermediate_size": 96}, 216.3, 156.9),
        ("mixtral", {**WIDE, "num_local_experts": 8, "num_experts_per_tok": 2}, 169.2, 112.9),
        ("gpt_oss", {**WIDE, **CLIPPED}, 497.1, 268.9),
        ("gemma2", {**WIDE, "attn_logit_softcapping": 50.0}, 470.1, 186.3),
        ("gemma3_text", WIDE, 149.5, 82.6),
        ("mamba2", MAMBA2, 57.3, 39.9),
        ("rwkv7", RWKV7, 96.1, 0.0),
        ("mistral", WIDE | HALF, 102.0, 65.3),
        ("qwen3", WIDE | HALF, 109.2, 67.9),
        ("gemma2", {**WIDE, **HALF, "attn_logit_softcapping": 50.0}, 279.2, 118.4),
        ("gemma3_text", WIDE | HALF, 124.6, 59.7),
    ],
)
def test_a_row_takes_what_it_was_seen_to_take(
    family: str, config: dict[str, Any], whole_mb: float, layered_mb: float
) -> None:
    """Before: half as much was told of experts, a third of gpt-oss, two fifths of RWKV-7."""
    facts = facts_of({"model_type": family, **config}, ())
    sizes = sizes_of(resolve({"adapter": {"rank": 8}}), facts, "cpu")
    job = StepJob(False, 1, 1, 0, 1024, 512, 512, 1, 1)
    for layered, seen in ((False, whole_mb), (True, layered_mb)):
        plan = MemoryPlan(train_rows=1, head_tokens=64, layer_wise=layered, share_prompts=False)
        told = sum(update_parts(sizes, job, plan).values()) / 1e6
        assert not seen or -0.1 < told / seen - 1 < 0.25, (layered, told)


NEMOTRON = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
LATENT = {
    "num_attention_heads": 16,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        ({"model_type": "llama", "num_hidden_layers": 4}, 0),  # as many in each layer as it is wide
        ({"model_type": "qwen3_next", "num_hidden_layers": 48, "full_attention_interval": 4}, 12 * 2 * 1024),
        (
            {"model_type": "nemotron_h", "num_hidden_layers": 52, "hybrid_override_pattern": NEMOTRON},
            4 * 2 * 1024,
        ),
        (
            {"model_type": "lfm2", "num_hidden_layers": 16, "full_attn_idxs": [2, 5, 8, 10, 12, 14]},
            6 * 2 * 1024,
        ),
        ({"model_type": "qwen3", "num_hidden_layers": 2, "layer_types": ["full_attention"] * 2}, 0),
        ({"model_type": "mamba2", "num_hidden_layers": 8, "state_size": 64, "num_heads": 8}, 0),
        ({"model_type": "deepseek_v3", "num_hidden_layers": 61, **LATENT}, 61 * (512 + 64)),
        ({"model_type": "deepseek_v2", "num_hidden_layers": 27, **LATENT}, 27 * 16 * (192 + 128)),
    ],
)
def test_keys_and_values_are_those_of_the_layers_that_keep_some(config: dict[str, Any], numbers: int) -> None:
    """Before: of Nemotron-H 13 times as much, of DeepSeek V3 25 times."""
    heads = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
    assert facts_of({**heads, **config}, ()).cache_width == numbers


def test_latent_attention_is_as_wide_as_its_heads() -> None:
    facts = facts_of({"model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 3, **LATENT}, ())
    assert (facts.query_width, facts.key_width) == (16 * 192, 16 * 192)


def test_experts_are_asked_by_the_number_that_each_family_writes_in_its_own_way() -> None:
    experts = {"num_experts": 256, "hidden_size": 64, "num_hidden_layers": 2, "moe_intermediate_size": 16}
    kimi = facts_of(
        {"model_type": "kimi_linear", **experts, "num_experts_per_token": 8, "num_shared_experts": 1}, ()
    )
    assert (kimi.experts_per_token, kimi.shared_intermediate) == (8, 16)
    dense = facts_of(
        {"model_type": "granite", "hidden_size": 64, "num_hidden_layers": 2, "num_experts_per_tok": 4}, ()
    )
    assert (dense.experts_per_token, dense.shared_intermediate) == (1, 0)


@pytest.mark.parametrize(
    ("family", "gate"), [("phi3", "silu"), ("phi", "gelu"), ("gemma3_text", "gelu"), ("gpt_oss", "clipped")]
)
def test_the_gate_follows_the_family(family: str, gate: str) -> None:
    assert facts_of({"model_type": family, "hidden_size": 64, "num_hidden_layers": 2}, ()).gate == gate


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        ({"model_type": "llama"}, 0),
        (
            {"model_type": "nemotron_h", "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128,
             "hybrid_override_pattern": NEMOTRON},
            24 * 128 * 64 * 128,
        ),
        (
            {"model_type": "qwen3_next", "full_attention_interval": 4, "linear_num_key_heads": 16,
             "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128},
            39 * 32 * 128 * 128,
        ),
        ({"model_type": "rwkv7", "head_dim": 64}, 52 * 64 * 64 * 64),
    ],
)  # fmt: skip
def test_states_of_a_row_are_counted_before_a_model_is_loaded(config: dict[str, Any], numbers: int) -> None:
    """32 rows of Nemotron-H 8B hold 3.2 GB of them while they are sampled."""
    facts = facts_of({"hidden_size": 4096, "num_hidden_layers": 52, **config}, ())
    assert facts.state_numbers == numbers
    assert sizes_of(resolve({}), facts, "cpu").state_per_row == 4 * numbers


def test_a_model_without_attention_keeps_no_keys() -> None:
    assert sizes_of(resolve({}), facts_of({"model_type": "mamba2", **MAMBA2}, ()), "cpu").key_values == 0
