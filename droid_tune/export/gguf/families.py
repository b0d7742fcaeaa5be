"""The model families that a GGUF file can hold: what llama.cpp calls them, how it wants their weights, what it is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from droid_tune.errors import UserError

Settings = Mapping[str, Any]
#: keys of a GGUF file without the architecture before them
Metadata = dict[str, int | float | bool | str]


def _nothing(settings: Settings) -> Metadata:
    return {}


@dataclass(frozen=True)
class Family:
    """One architecture of llama.cpp.

    `permuted`: the rows of a head's queries and keys are ordered so that the two halves of a rotation are neighbours.
    `norm_offset` is added to the weights of norms, which the model adds itself. `more` are keys of its own; it raises
    UserError for settings that llama.cpp computes otherwise.
    """

    arch: str
    permuted: bool = False
    norm_offset: float = 0.0
    more: Callable[[Settings], Metadata] = _nothing


def family_of(model_type: str) -> Family:
    """The family of a config's `model_type`. Raises UserError for one that is not covered."""
    if model_type not in FAMILIES:
        raise UserError(
            "a GGUF file cannot be written of this model family",
            value=model_type,
            remedy=f"it can of {', '.join(FAMILIES)}; `--to fused` writes every family",
        )
    return FAMILIES[model_type]


def settings_of(config: Settings, model: Any) -> dict[str, Any]:
    """The text model's settings as mlx-lm resolved them: its defaults where the config is silent."""
    text = config.get("text_config") or {}
    inner = getattr(model, "language_model", model)
    resolved = {name: value for name, value in vars(inner.args).items() if value is not None}
    return {**config, **text, **resolved}


def metadata_of(family: Family, settings: Settings) -> Metadata:
    """Sizes, norms, rotary settings and what the family has of its own. Raises UserError."""
    heads = int(settings["num_attention_heads"])
    width = head_width(settings)
    common: Metadata = {
        "block_count": int(settings["num_hidden_layers"]),
        "context_length": int(settings.get("max_position_embeddings") or 2048),
        "embedding_length": int(settings["hidden_size"]),
        "feed_forward_length": int(settings["intermediate_size"]),
        "attention.head_count": heads,
        "attention.head_count_kv": int(settings.get("num_key_value_heads") or heads),
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(settings["rms_norm_eps"]),
        "rope.freq_base": float(settings.get("rope_theta") or 10_000.0),
        "rope.dimension_count": int(width * float(settings.get("partial_rotary_factor") or 1.0)),
    }
    return common | rope_scaling(settings) | family.more(settings)


def head_width(settings: Settings) -> int:
    """Numbers of one attention head."""
    return int(settings.get("head_dim") or settings["hidden_size"] // settings["num_attention_heads"])


def scaling_kind(settings: Settings) -> str:
    """`linear`, `yarn`, `llama3`, `longrope`, or "" for plain positions."""
    scaling = settings.get("rope_scaling") or {}
    kind = str(scaling.get("rope_type") or scaling.get("type") or "default")
    return {"default": "", "su": "longrope"}.get(kind, kind)


def rope_scaling(settings: Settings) -> Metadata:
    """How positions beyond the first training's length are read. Raises UserError for a way that has no counterpart."""
    kind, scaling = scaling_kind(settings), settings.get("rope_scaling") or {}
    match kind:
        case "" | "llama3":  # llama3's is a tensor of factors
            return {}
        case "linear":
            return {"rope.scaling.type": "linear", "rope.scaling.factor": float(scaling["factor"])}
        case "yarn":
            first = scaling.get("original_max_position_embeddings") or settings["max_position_embeddings"]
            return {
                "rope.scaling.type": "yarn",
                "rope.scaling.factor": float(scaling["factor"]),
                "rope.scaling.original_context_length": int(first),
            }
        case "longrope":
            return _longrope(settings)
        case _:
            raise UserError("a GGUF file cannot hold this scaling of positions", value=kind)


def _longrope(settings: Settings) -> Metadata:
    """With the factor by which mlx-lm makes queries and keys larger, at every length."""
    first = int(settings.get("original_max_position_embeddings") or settings["max_position_embeddings"])
    longer = max(1.0, int(settings["max_position_embeddings"]) / first)
    return {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": first,
        "rope.scaling.attn_factor": math.sqrt(1 + math.log(longer) / math.log(first)),
    }


def _plain_llama(settings: Settings) -> Metadata:
    if "sliding_attention" in (settings.get("layer_types") or ()):
        raise UserError(
            "llama.cpp reads all earlier tokens where this model reads a window of them",
            value=settings.get("sliding_window"),
        )
    return {}


def _mixture(settings: Settings) -> Metadata:
    if not settings.get("norm_topk_prob"):
        raise UserError("llama.cpp weighs this model's experts otherwise", value="norm_topk_prob: false")
    if int(settings.get("decoder_sparse_step") or 1) != 1 or settings.get("mlp_only_layers"):
        raise UserError(
            "llama.cpp expects experts in every layer",
            value=settings.get("mlp_only_layers") or "decoder_sparse_step",
        )
    return {
        "expert_count": int(settings["num_experts"]),
        "expert_used_count": int(settings["num_experts_per_tok"]),
        "expert_feed_forward_length": int(settings["moe_intermediate_size"]),
    }


def _gemma2(settings: Settings) -> Metadata:
    _attention_scale(settings, large=46)
    return {
        "attention.sliding_window": int(settings.get("sliding_window") or 4096),
        "attn_logit_softcapping": float(settings["attn_logit_softcapping"]),
        "final_logit_softcapping": float(settings["final_logit_softcapping"]),
    }


#: of Gemma 3's layers every sixth reads all earlier tokens: llama.cpp knows no other rhythm
GEMMA3_RHYTHM = 6


def _gemma3(settings: Settings) -> Metadata:
    _attention_scale(settings, large=62)
    if int(settings.get("sliding_window_pattern") or GEMMA3_RHYTHM) != GEMMA3_RHYTHM:
        raise UserError(
            f"llama.cpp expects every {GEMMA3_RHYTHM}th layer to read all earlier tokens",
            value=settings["sliding_window_pattern"],
        )
    if float(settings.get("rope_local_base_freq") or 10_000.0) != 10_000.0:
        raise UserError(
            "llama.cpp expects 10,000 as the rotary base of a window", value=settings["rope_local_base_freq"]
        )
    return {"attention.sliding_window": int(settings["sliding_window"])}


def _attention_scale(settings: Settings, *, large: int) -> None:
    """llama.cpp divides scores by the root of a head's width; of the largest model (`large` layers) by another."""
    wanted = float(settings.get("query_pre_attn_scalar") or head_width(settings))
    used = head_width(settings)
    if int(settings["num_hidden_layers"]) == large:
        used = int(settings["hidden_size"]) // int(settings["num_attention_heads"])
    if wanted != used:
        raise UserError(f"llama.cpp scales attention by {used}", value=wanted, place="query_pre_attn_scalar")


def _phi3(settings: Settings) -> Metadata:
    first = settings.get("original_max_position_embeddings") or settings["max_position_embeddings"]
    return {
        "attention.sliding_window": int(settings.get("sliding_window") or 0),
        "rope.scaling.original_context_length": int(first),
    }


def _smollm3(settings: Settings) -> Metadata:
    if int(settings.get("no_rope_layer_interval") or 4) != 4:
        raise UserError(
            "llama.cpp expects every fourth layer without positions", value=settings["no_rope_layer_interval"]
        )
    return {}


#: `model_type` of a config -> its family
FAMILIES: dict[str, Family] = {
    "llama": Family("llama", permuted=True, more=_plain_llama),
    "mistral": Family("llama", permuted=True, more=_plain_llama),
    "qwen2": Family("qwen2"),
    "qwen3": Family("qwen3"),
    "qwen3_moe": Family("qwen3moe", more=_mixture),
    "gemma2": Family("gemma2", norm_offset=1.0, more=_gemma2),
    "gemma3": Family("gemma3", norm_offset=1.0, more=_gemma3),
    "gemma3_text": Family("gemma3", norm_offset=1.0, more=_gemma3),
    "phi3": Family("phi3", more=_phi3),
    "smollm3": Family("smollm3", permuted=True, more=_smollm3),
}
