"""Whether a loaded model turns its positions by the base that its config names: a wrong one still trains, in silence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.rope_utils import Llama3RoPE, YarnRoPE

from droid_tune.model_files.rope import thetas

#: bases are compared by their logarithm: a frequency in half precision is off by a thousandth
TOLERANCE = 1e-2


def wrong_base(model: nn.Module, config: Mapping[str, Any]) -> str:
    """What is wrong, in words: no layer uses any base that the config names; empty where one does or none is named."""
    named, used = thetas(config), set(bases_of(model))
    if not named or not used or any(_equal(one, other) for one in named for other in used):
        return ""
    return f"its layers use the rotary base {_listed(used)}, but its config says {_listed(named)}"


def bases_of(model: nn.Module) -> Iterator[float]:
    """The rotary base of each layer whose kind is known; the others (longrope, families of their own) say nothing."""
    for _, module in model.named_modules():
        if isinstance(module, nn.RoPE):
            yield float(module.base)
        elif isinstance(module, (Llama3RoPE, YarnRoPE)):
            # Their second frequency is never scaled: base ^ (2 / dims).
            frequencies = cast(mx.array, module["_freqs"])
            if frequencies.size > 1:
                yield float(frequencies[1]) ** frequencies.size


def _equal(one: float, other: float) -> bool:
    return abs(math.log(one) - math.log(other)) < TOLERANCE


def _listed(bases: set[float]) -> str:
    return " and ".join(f"{base:,.0f}" for base in sorted(bases))
