"""Sizes of a config that no model has: refused before a library builds layers by the billion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from droid_tune.errors import UserError

#: far above every known model; what is built one by one has the narrow bounds
_MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 1000),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 10_000),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head"), 10_000),
    **dict.fromkeys(("hidden_size", "n_embd", "head_dim"), 1_000_000),
    **dict.fromkeys(("vocab_size", "intermediate_size"), 20_000_000),
}
#: a model may have none of them
_MAY_BE_ZERO = ("num_experts", "num_local_experts", "n_routed_experts")


def check_sizes(config: dict[str, Any], place: Path) -> None:
    """Raises UserError for a size that no model has: no whole number, below 1, or beyond every bound."""
    for key, value in _sizes(config):
        least = 0 if key in _MAY_BE_ZERO else 1
        if type(value) is not int or not least <= value <= _MOST[key]:
            raise UserError(
                f"`{key}` is no size of a model (a whole number from {least} to {_MOST[key]:,})",
                value=value,
                place=str(place),
                remedy="download the model again",
            )


def _sizes(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Those of the model and of the language model inside it; one for each layer (a list) is the library's to read."""
    text = config.get("text_config")
    inner = cast("dict[str, Any]", text) if isinstance(text, dict) else {}
    for part in (config, inner):
        yield from (
            (key, part[key]) for key in _MOST if part.get(key) is not None and not isinstance(part[key], list)
        )
