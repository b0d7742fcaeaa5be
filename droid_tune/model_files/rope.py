"""Rotary settings of a config, in the form of transformers 5 and in the one that mlx-lm's model files read.

transformers 5 saves `rope_parameters` alone ({"rope_theta", "rope_type", ...}, or one such object per kind of layer);
most of mlx-lm 0.32 reads `rope_theta`, `rope_scaling` and their like, and takes a default of its own in silence where
they are missing. What is there already is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Config = dict[str, Any]

#: another name of the same number; whichever is missing is filled from the other
ALIASES = (("num_experts", "num_local_experts"),)
#: `rope_parameters` of these kinds of layers; the first that is there speaks for the keys without a kind
MAIN_KINDS = ("full_attention", "global_attention")
SLIDING = "sliding_attention"
#: keys of the old form -> where they are taken from in the parameters of full and of sliding attention
FROM_MAIN = {"rope_theta": "rope_theta", "partial_rotary_factor": "partial_rotary_factor"}
#: families with names of their own
FROM_MAIN_OF = {"gpt_neox": {"rotary_emb_base": "rope_theta", "rotary_pct": "partial_rotary_factor"}}
FROM_SLIDING = {"rope_local_base_freq": "rope_theta", "swa_rope_theta": "rope_theta"}
#: parts of `rope_parameters` that are no scaling
_NOT_SCALING = frozenset(("rope_theta", "partial_rotary_factor"))


def missing_keys(config: Mapping[str, Any]) -> Config:
    """The keys of the old form that `config` lacks, nested text configs included: an update for `config`.

    Values are those of `rope_parameters` (numbers, and a scaling with both `rope_type` and `type`). {} where nothing
    is missing.
    """
    found = {**_rotary(config), **_aliases(config)}
    inner = config.get("text_config")
    if isinstance(inner, Mapping) and (inside := missing_keys(cast("Mapping[str, Any]", inner))):
        found["text_config"] = {**inner, **inside}
    return found


def said_of(filled: Mapping[str, Any]) -> str:
    """The filled keys in words: `rope_theta 500000, rope_scaling llama3`; empty where none was."""
    own = {key: value for key, value in filled.items() if key != "text_config"}
    inner = filled.get("text_config", {})
    shown = own | {
        key: value for key, value in inner.items() if key in (*FROM_MAIN, *FROM_SLIDING, "rope_scaling")
    }
    return ", ".join(
        f"{key} {value['rope_type'] if isinstance(value, Mapping) else format(value, 'g')}"
        for key, value in shown.items()
        if value is not None
    )


def thetas(config: Mapping[str, Any]) -> set[float]:
    """Every rotary base that the config names, of any kind of layer; empty where it names none."""
    parameters = config.get("rope_parameters")
    named: list[Any] = [config.get(key) for key in ("rope_theta", "rotary_emb_base", *FROM_SLIDING)]
    if isinstance(parameters, Mapping):
        kinds = cast("Mapping[str, Any]", parameters)
        named += [kinds.get("rope_theta")]
        named += [one.get("rope_theta") for one in kinds.values() if isinstance(one, Mapping)]
    found = {float(value) for value in named if _is_number(value)}
    inner = config.get("text_config")
    return found | thetas(cast("Mapping[str, Any]", inner)) if isinstance(inner, Mapping) else found


def _rotary(config: Mapping[str, Any]) -> Config:
    parameters = config.get("rope_parameters")
    if not isinstance(parameters, Mapping):
        return {}
    kinds = cast("Mapping[str, Any]", parameters)
    main = _kind(kinds, *MAIN_KINDS) or kinds
    names = FROM_MAIN_OF.get(str(config.get("model_type")), FROM_MAIN)
    found = _taken(config, main, names) | _taken(config, _kind(kinds, SLIDING), FROM_SLIDING)
    kind = main.get("rope_type") or main.get("type")
    if kind not in (None, "default") and config.get("rope_scaling") is None:
        scaling = {key: value for key, value in main.items() if key not in _NOT_SCALING}
        found["rope_scaling"] = {**scaling, "rope_type": kind, "type": kind}
    return found


def _kind(kinds: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The parameters of the first of these kinds of layers that is there."""
    return next((kinds[name] for name in names if isinstance(kinds.get(name), Mapping)), {})


def _taken(config: Mapping[str, Any], parameters: Mapping[str, Any], keys: Mapping[str, str]) -> Config:
    return {
        old: parameters[new]
        for old, new in keys.items()
        if config.get(old) is None and _is_number(parameters.get(new))
    }


def _aliases(config: Mapping[str, Any]) -> Config:
    found: Config = {}
    for pair in ALIASES:
        for missing, given in (pair, pair[::-1]):
            if config.get(missing) is None and config.get(given) is not None:
                found[missing] = config[given]
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
