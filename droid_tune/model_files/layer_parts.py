"""What a config tells of its layers beside their widths: experts, the gate, and which of them keep keys and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from droid_tune.model_files.config_values import ConfigValues
from droid_tune.model_files.facts import Gate
from droid_tune.model_files.state_layers import state_share

EXPERTS_ASKED = (
    *("num_experts_per_tok", "num_experts_per_token", "experts_per_token"),
    *("moe_topk", "moe_top_k", "moe_k", "top_k_experts"),
)
#: mlx-lm's files of these take GELU whatever the config says
_GELU = ("phi", "starcoder2", "gpt2", "gpt_neox", "gptj", "gpt_bigcode")
_WIDENED = ("deepseek_v2", "minicpm3")
_WITHOUT_FEED_FORWARD = ("mamba", "mamba2")


@dataclass(frozen=True)
class LayerParts:
    """`experts_asked` by a token, 1 where there are none; `shared` is the width of those that every token asks.

    `attention_share` and `feed_share`: of the layers, those with attention and with a feed-forward part.
    `cache_width`: numbers of a token's keys and values over all layers, 0 where each layer keeps as many as it is wide.
    `query_width` and `key_width` of latent attention, whose config does not say them as others do; 0 elsewhere.
    """

    experts_asked: int
    shared: int
    gate: Gate
    cache_width: int
    attention_share: float
    feed_share: float
    query_width: int
    key_width: int


def layer_parts(text: dict[str, Any], layers: int, key_width: int) -> LayerParts:
    """Of the language model's config; `key_width` of all key heads of a layer together."""
    told = ConfigValues(text)
    kind = str(text.get("model_type") or "")
    own = told.whole("moe_intermediate_size", "intermediate_size") or 0
    count = told.whole("n_shared_experts", "num_shared_experts", "moe_num_shared_experts") or 0
    shared = told.whole("shared_expert_intermediate_size", "shared_intermediate_size") or count * own
    heads = told.whole("num_attention_heads") or 1
    latent, turned = told.whole("kv_lora_rank") or 0, told.whole("qk_rope_head_dim") or 0
    plain, values = told.whole("qk_nope_head_dim") or 0, told.whole("v_head_dim") or 0
    share = _attention_share(text, layers)
    one = _cached(kind, heads, plain + turned, values) or latent + turned if latent else 2 * key_width
    return LayerParts(
        experts_asked=told.whole(*EXPERTS_ASKED) or 1,
        shared=shared,
        gate="clipped" if kind == "gpt_oss" else "gelu" if kind in _GELU or "gemma" in kind else "silu",
        cache_width=round(one * layers * share) if latent or share < 1 else 0,
        attention_share=share,
        feed_share=_feed_share(text),
        query_width=heads * (plain + turned) if latent and plain else 0,
        key_width=heads * max(plain + turned, values) if latent and plain else 0,
    )


def _cached(kind: str, heads: int, keys: int, values: int) -> int:
    """Numbers of a token's keys and values where mlx-lm does not keep what they are made of; 0 where it does."""
    return heads * (keys + values) if kind in _WIDENED else 0


def _feed_share(text: dict[str, Any]) -> float:
    """Of the layers, those with a feed-forward part: all, where layers are not of one part each."""
    kinds = text.get("hybrid_override_pattern")
    if isinstance(kinds, (list, str)) and kinds:
        return sum(str(kind) in "-E" for kind in kinds) / len(kinds)
    return 0.0 if text.get("model_type") in _WITHOUT_FEED_FORWARD else 1.0


def _attention_share(text: dict[str, Any], layers: int) -> float:
    """Of the layers, those with attention; all but those that hold states, where the config tells no more."""
    kinds = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if isinstance(kinds, (list, str)) and kinds:
        listed = cast("list[Any]", list(kinds))
        return sum(map(_attends, listed)) / len(listed)
    chosen = text.get("full_attn_idxs")
    if isinstance(chosen, list):
        return min(1.0, len(cast("list[Any]", chosen)) / max(1, layers))
    if text.get("model_type") in (*_WITHOUT_FEED_FORWARD, "rwkv7"):
        return 0.0
    share = state_share(text, layers)
    return 1 - share if share < 1 else 1.0


def _attends(kind: Any) -> bool:
    return kind == "*" or ("attention" in str(kind) and kind != "linear_attention")
