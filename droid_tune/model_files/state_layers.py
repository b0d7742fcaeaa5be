"""Layers that hold a state in place of keys and values: how wide they are, by a model's config."""

from __future__ import annotations

from typing import Any, cast

from droid_tune.model_files.config_values import ConfigValues

#: what such layers are called where a config lists the kind of each
_KINDS = ("linear_attention", "mamba", "recurrent", "M")


def state_width(text: dict[str, Any], layers: int) -> int:
    """Numbers per token that go into the states of a layer (queries, keys and values of linear attention; inputs and both
    projections of Mamba), a mean over all `layers`; 0 where no layer holds one. `text`: of the language model."""
    told = ConfigValues(text)
    inner = text.get("linear_attn_config")
    own = ConfigValues(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {})
    width = (
        _of_delta(told) or _of_mamba(told) or 3 * (own.whole("num_heads") or 0) * (own.whole("head_dim") or 0)
    )
    return round(width * _share(text, told, layers)) if width else 0


def _of_delta(told: ConfigValues) -> int:
    keys = (told.whole("linear_num_key_heads") or 0) * (told.whole("linear_key_head_dim") or 0)
    values = (told.whole("linear_num_value_heads") or 0) * (told.whole("linear_value_head_dim") or 0)
    return 2 * keys + values if keys and values else 0


def _of_mamba(told: ConfigValues) -> int:
    state = told.whole("mamba_d_state", "ssm_state_size", "state_size") or 0
    heads = told.whole("mamba_n_heads", "mamba_num_heads", "num_heads") or 0
    head = told.whole("mamba_d_head", "mamba_head_dim", "head_dim") or 0
    groups = told.whole("mamba_n_groups", "n_groups") or 1
    return heads * head + 2 * groups * state if state and heads else 0


def _share(text: dict[str, Any], told: ConfigValues, layers: int) -> float:
    """Of the layers, those that hold a state; all where the config does not tell."""
    kinds = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if isinstance(kinds, (list, str)) and kinds:
        return sum(kind in _KINDS for kind in cast("list[Any]", kinds)) / len(kinds)
    inner = text.get("linear_attn_config")
    listed = cast("dict[str, Any]", inner).get("kda_layers") if isinstance(inner, dict) else None
    if isinstance(listed, list):
        return min(1.0, len(cast("list[Any]", listed)) / max(1, layers))
    every = told.whole("full_attention_interval")
    return 1 - (layers // every) / max(1, layers) if every else 1.0
