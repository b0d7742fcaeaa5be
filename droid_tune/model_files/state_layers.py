"""Layers that hold a state in place of keys and values: how wide they are, by a model's config."""

from __future__ import annotations

from typing import Any, cast

from droid_tune.model_files.config_values import ConfigValues

#: what such layers are called where a config lists the kind of each
_KINDS = ("linear_attention", "mamba", "recurrent", "M")
_MAMBA_STATE = ("mamba_d_state", "ssm_state_size", "state_size")
_MAMBA_HEADS = ("mamba_n_heads", "mamba_num_heads", "num_heads")
_MAMBA_HEAD = ("mamba_d_head", "mamba_head_dim", "head_dim")
#: tokens of a chunk, as the engine cuts them
_CHUNK = 64


def state_width(text: dict[str, Any], layers: int) -> int:
    """Numbers per token that go into the states of a layer (queries, keys and values of linear attention; inputs and both
    projections of Mamba), a mean over all `layers`; 0 where no layer holds one. `text`: of the language model."""
    told = ConfigValues(text)
    inner = text.get("linear_attn_config")
    own = ConfigValues(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {})
    width = (
        _of_delta(told)
        or _of_mamba(told)
        or _of_plain(text, told)
        or round(1.5 * (own.whole("num_heads") or 0) * (own.whole("head_dim") or 0))
    )
    return round(width * state_share(text, layers)) if width else 0


def widest_state(text: dict[str, Any], layers: int) -> int:
    """The same of one layer that holds a state, while it is differentiated: what it needs there beside what it keeps is not as
    much as in attention (measured, 2026-12-01)."""
    told, width, share = ConfigValues(text), state_width(text, layers), state_share(text, layers)
    return round((0.5 if _of_delta(told) else 0.75) * width / share) if share else 0


def span_width(text: dict[str, Any]) -> int:
    """Numbers per token of a span of chunks (model/kernels/recurrence): for each head a row of a chunk's square, and a share of
    the chunk's state; gates of each channel take 2.5 times as much (measured, 2026-12-01). 0 without such layers."""
    heads, keys, values = _heads(text)
    by_channel = "linear_attn_config" in text or text.get("model_type") == "rwkv7"
    return round((2.5 if by_channel else 1.0) * heads * (_CHUNK + keys * values // _CHUNK))


def state_numbers(text: dict[str, Any], layers: int) -> int:
    """Of one row, over all layers."""
    heads, keys, values = _heads(text)
    return round(layers * state_share(text, layers) * heads * keys * values)


def _heads(text: dict[str, Any]) -> tuple[int, int, int]:
    """How many states a layer holds for a row, and their two sides."""
    told = ConfigValues(text)
    inner = text.get("linear_attn_config")
    if isinstance(inner, dict):
        own = ConfigValues(cast("dict[str, Any]", inner))
        found = own.whole("num_heads"), own.whole("head_dim"), own.whole("head_dim")
    elif _of_delta(told):
        sides = told.whole("linear_key_head_dim"), told.whole("linear_value_head_dim")
        found = told.whole("linear_num_value_heads"), *sides
    elif _of_mamba(told):
        found = told.whole(*_MAMBA_HEADS), told.whole(*_MAMBA_HEAD), told.whole(*_MAMBA_STATE)
    elif _of_plain(text, told):
        head = told.whole("head_dim") or 64
        heads = told.whole("num_attention_heads") or (told.whole("hidden_size") or 0) // head
        found = heads, head, head
    else:
        found = 0, 0, 0
    heads, keys, values = found
    return heads or 0, keys or 0, values or 0


def _of_delta(told: ConfigValues) -> int:
    keys = (told.whole("linear_num_key_heads") or 0) * (told.whole("linear_key_head_dim") or 0)
    values = (told.whole("linear_num_value_heads") or 0) * (told.whole("linear_value_head_dim") or 0)
    return 2 * keys + values if keys and values else 0


def _of_mamba(told: ConfigValues) -> int:
    state = told.whole(*_MAMBA_STATE) or 0
    heads = told.whole(*_MAMBA_HEADS) or 0
    head = told.whole(*_MAMBA_HEAD) or 0
    groups = told.whole("mamba_n_groups", "n_groups") or 1
    # What goes in and comes out is read and written by turns; a projection is kept less often (measured, 2026-12-01).
    return heads * head + round(0.8 * groups * state) if state and heads else 0


def _of_plain(text: dict[str, Any], told: ConfigValues) -> int:
    """RWKV-7, and the linear attention of Bailing, of which less is kept (measured, 2026-12-01)."""
    hidden = told.whole("hidden_size") or 0
    if text.get("model_type") == "rwkv7":
        return round(3.3 * hidden)
    heads = told.whole("num_attention_heads") or 1
    head = told.whole("head_dim") or hidden // heads
    return heads * head if told.whole("layer_group_size") else 0


def state_share(text: dict[str, Any], layers: int) -> float:
    """Of the layers, those that hold a state; all where the config does not tell."""
    kinds = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if isinstance(kinds, (list, str)) and kinds:
        return sum(kind in _KINDS for kind in cast("list[Any]", kinds)) / len(kinds)
    inner = text.get("linear_attn_config")
    listed = cast("dict[str, Any]", inner).get("kda_layers") if isinstance(inner, dict) else None
    if isinstance(listed, list):
        return min(1.0, len(cast("list[Any]", listed)) / max(1, layers))
    every = ConfigValues(text).whole("full_attention_interval", "layer_group_size")
    return 1 - (layers // every) / max(1, layers) if every else 1.0
