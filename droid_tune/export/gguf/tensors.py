"""A model's arrays under the names, in the order and in the types of a GGUF file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import mlx.core as mx
import numpy as np
import numpy.typing as npt

from droid_tune.errors import UserError
from droid_tune.export.gguf.families import Family, Settings, head_width, scaling_kind

Kind = gguf.GGMLQuantizationType
Values = npt.NDArray[np.float32]

#: weight types by their names in `--quantise`
KINDS: dict[str, Kind] = {"bf16": Kind.BF16, "f16": Kind.F16, "q8_0": Kind.Q8_0, "q4_0": Kind.Q4_0}
#: the plain type of each floating-point type of MLX
PLAIN: dict[mx.Dtype, Kind] = {mx.float32: Kind.F32, mx.float16: Kind.F16, mx.bfloat16: Kind.BF16}
#: numbers that share a scale in the quantised types
BLOCK = 32
#: what four bits would hurt most: the embedding, and the head where it is one of its own
_KEPT_FINER = ("token_embd.weight", "output.weight")


@dataclass(frozen=True)
class NamedArray:
    """One tensor of the file: its values are asked for when it is written, and may be let go then."""

    name: str
    array: mx.array
    kind: Kind
    family: Family
    heads: int = 0

    def values(self) -> Values:
        """In float32, in llama.cpp's order."""
        values: Values = np.array(self.array.astype(mx.float32))
        if self.heads:
            values = neighbouring_pairs(values, self.heads)
        return values + np.float32(self.family.norm_offset) if self.is_norm else values

    @property
    def is_norm(self) -> bool:
        return self.name.endswith("norm.weight")

    def encoded(self) -> npt.NDArray[Any]:
        """The bytes of the file."""
        return gguf.quants.quantize(np.ascontiguousarray(self.values()), self.kind)


def neighbouring_pairs(rows: Values, heads: int) -> Values:
    """Rows of queries or keys (heads * width, ...) from Hugging Face's order (first halves, then second halves of the
    rotations) to llama.cpp's (one half beside the other)."""
    parts = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return parts.swapaxes(1, 2).reshape(rows.shape)


def split_pairs(rows: Values, heads: int) -> Values:
    """The inverse of `neighbouring_pairs`."""
    parts = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return parts.swapaxes(1, 2).reshape(rows.shape)


def tensors_of(
    arrays: Mapping[str, mx.array], family: Family, settings: Settings, weights: str
) -> Iterator[NamedArray]:
    """All tensors of the file in a fixed order. Raises UserError for an array that has no place there."""
    architecture = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == family.arch)
    names = gguf.get_tensor_name_map(architecture, int(settings["num_hidden_layers"]))
    for own, array in arrays.items():
        module, _, part = own.removeprefix("language_model.").rpartition(".")
        known = names.get_name(module.replace(".switch_mlp.", ".experts."))
        if known is None:
            raise UserError("a GGUF file has no place for these weights", value=own)
        name = f"{known}.{part}"
        heads = heads_of(name, settings) if family.permuted else 0
        yield NamedArray(name, array, kind_of(name, array, weights), family, heads)
    for name, factors in rope_factors(settings).items():
        yield NamedArray(name, mx.array(factors), Kind.F32, family)


def heads_of(name: str, settings: Settings) -> int:
    """The heads whose rows are ordered otherwise: of queries and keys; 0 for other tensors."""
    queries = int(settings["num_attention_heads"])
    if ".attn_q." in name:
        return queries
    return int(settings.get("num_key_value_heads") or queries) if ".attn_k." in name else 0


def kind_of(name: str, array: mx.array, weights: str) -> Kind:
    """The type of one tensor: vectors and routers stay float32; rows that blocks do not fit stay float16."""
    if array.ndim < 2 or "ffn_gate_inp" in name:
        return Kind.F32
    if weights == "none":
        return PLAIN.get(array.dtype, Kind.F32)
    kind = KINDS[weights]
    if kind is Kind.Q4_0 and name in _KEPT_FINER:
        kind = Kind.Q8_0
    return Kind.F16 if kind in (Kind.Q4_0, Kind.Q8_0) and array.shape[-1] % BLOCK else kind


def rope_factors(settings: Settings) -> dict[str, Values]:
    """The tensors by which rotary frequencies are divided: of llama3's scaling and of longrope's."""
    scaling = settings.get("rope_scaling") or {}
    match scaling_kind(settings):
        case "llama3":
            return {"rope_freqs.weight": llama3_factors(settings)}
        case "longrope":
            # mlx-lm turns short texts by the factors of long ones too, and so the run has learnt it.
            each = np.array(scaling["long_factor"], np.float32)
            return {"rope_factors_long.weight": each, "rope_factors_short.weight": each}
        case _:
            return {}


def llama3_factors(settings: Settings) -> Values:
    """By what each of a head's frequencies is divided: 1 for fast ones, `factor` for slow ones, between them a blend
    (Llama 3.1's model card)."""
    scaling, width = settings["rope_scaling"], head_width(settings)
    base, first = float(settings["rope_theta"]), float(scaling["original_max_position_embeddings"])
    low, high, factor = (float(scaling[key]) for key in ("low_freq_factor", "high_freq_factor", "factor"))
    turns = first / (2 * math.pi * base ** (np.arange(0, width, 2) / width))
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1.0 / ((1.0 - blend) / factor + blend)).astype(np.float32)
