"""Weights in 8-bit floating point: most of mlx-lm 0.32 takes their codes for numbers, in silence, or ends in a traceback.

Only what comes with its scales, in a form or for a family that mlx-lm turns back into numbers, is left to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.model_files.architectures import implementing_module, source_of

UNREADABLE = "F8_E5M2"
CODES = "F8_E4M3"
#: quantisation methods of a config whose float8 scales mlx-lm's loader understands, whatever the family
UNDERSTOOD = frozenset(("mxfp8", "mxfp4", "modelopt"))
#: what the model file of a family that turns float8 back into numbers calls
CONVERSION = "from_fp8"


def refuse_bare_float8(path: Path, config: Mapping[str, Any], types: Mapping[str, str]) -> None:
    """Raise `UserError` where weights are float8 that would not be read as the numbers they stand for.

    `types`: safetensors' type of each tensor by name.
    """
    coded = [name for name, kind in types.items() if kind in (CODES, UNREADABLE)]
    if not coded or stays_packed(config):
        return
    kinds = sorted({types[name] for name in coded})
    readable = kinds == [CODES] and _converts(config) and not _without_scale(coded, types)
    if readable:
        return
    raise UserError(
        f"its weights are 8-bit floating point ({', '.join(kinds)}), which MLX would take for other numbers",
        value=coded[0],
        place=str(path),
        remedy="choose the bfloat16 version of the model, or one quantised for MLX (4 or 8 bits, mlx-community)",
    )


def stays_packed(config: Mapping[str, Any]) -> bool:
    """Whether mlx-lm keeps float8 weights of such a config as they are; all others it turns into bfloat16, twice as large."""
    settings = config.get("quantization_config")
    if not isinstance(settings, Mapping):
        return False
    if settings.get("quant_method") in UNDERSTOOD:
        return True
    powers_of_two = settings.get("quant_method") == "fp8" and settings.get("scale_fmt") == "ue8m0"
    return powers_of_two and list(settings.get("weight_block_size", ())) == [32, 32]


def _converts(config: Mapping[str, Any]) -> bool:
    """Whether the model file of the family turns float8 back into numbers; read as text, never imported."""
    module = implementing_module(config)
    return module is not None and CONVERSION in source_of(module)


def _without_scale(coded: Iterable[str], types: Mapping[str, str]) -> list[str]:
    return [name for name in coded if f"{name}_scale_inv" not in types and f"{name}_scale" not in types]
