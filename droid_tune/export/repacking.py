"""All weights of a model brought to one type: unpacked to floating point, or packed into fewer bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

from droid_tune import words
from droid_tune.model.arrays import flat_arrays
from droid_tune.model.fusing import drop_quantisation, unpacked_weight
from droid_tune.model.policy import Policy

_PLAIN: dict[type[nn.Module], Any] = {
    nn.QuantizedLinear: nn.Linear,
    nn.QuantizedEmbedding: nn.Embedding,
    QuantizedSwitchLinear: SwitchLinear,
}
#: weights of one scale; the smaller where the larger does not divide a layer's width
GROUP_SIZES = (64, 32)


@dataclass(frozen=True)
class Packed:
    """How many layers were packed to `bits`, and the root mean square error of their weights, relative to these."""

    bits: int
    layers: int
    error: float

    @property
    def sentence(self) -> str:
        """For a person."""
        return (
            f"{words.count(self.layers, 'layer')} were quantised to {self.bits} bits, which moves their weights by "
            f"{words.share(self.error, 1)} of their size."
        )


def is_quantised(module: Any) -> bool:
    """Whether a layer's weights are packed."""
    return "scales" in module


def unpack(policy: Policy) -> int:
    """Turn every quantised layer into the plain one of its kind, in the type of its scales; returns how many."""
    plain: list[tuple[str, nn.Module]] = []
    for name, module in policy.model.named_modules():
        kind = next((made for packed, made in _PLAIN.items() if isinstance(module, packed)), None)
        if kind is None:
            continue
        weight = unpacked_weight(module)
        new = kind(1, 1, 1, bias=False) if kind is SwitchLinear else kind(1, 1)
        new.pop("bias", None)
        new["weight"] = weight
        if "bias" in module:
            new["bias"] = module["bias"]
        mx.eval(new.parameters())
        plain.append((name, new))
    if plain:
        policy.model.update_modules(tree_unflatten(plain))
    drop_quantisation(policy.config)
    return len(plain)


def pack(policy: Policy, bits: int) -> Packed:
    """Quantise every layer of a plain model that can be, in groups of 64 weights or of 32, and tell what it cost.

    Where the architecture wants more bits for a layer (a router), it has them.
    """
    usual = {"group_size": _group_size(policy.model), "bits": bits}
    plans = _plans(policy.model, usual)
    before = {name: module["weight"] for name, module in policy.model.named_modules() if name in plans}
    nn.quantize(policy.model, class_predicate=lambda name, _: plans.get(name, False))
    policy.config["quantization"] = usual | {name: one for name, one in plans.items() if one != usual}
    moved = total = 0.0
    layers = 0
    for name, module in policy.model.named_modules():
        if name in plans:
            layers += plans[name]["bits"] == bits
            old = before[name].astype(mx.float32)
            moved += float(mx.square(unpacked_weight(module).astype(mx.float32) - old).sum())
            total += float(mx.square(old).sum())
    return Packed(bits, layers, (moved / total) ** 0.5 if total else 0.0)


def _group_size(model: nn.Module) -> int:
    """The largest that divides the width of every layer that one of them divides."""
    widths = [module["weight"].shape[-1] for _, module in model.named_modules() if _is_packable(module)]
    least = GROUP_SIZES[-1]
    return next(
        (size for size in GROUP_SIZES if all(width % size == 0 for width in widths if width % least == 0)),
        least,
    )


def _plans(model: nn.Module, usual: dict[str, int]) -> dict[str, dict[str, int]]:
    """How each layer is quantised, by its name; those left out that the architecture wants kept, or that no group fits."""
    wanted = getattr(model, "quant_predicate", None)
    found: dict[str, dict[str, int]] = {}
    for name, module in model.named_modules():
        said = _is_packable(module) and (wanted is None or wanted(name, module))
        for plan in (usual | said if isinstance(said, dict) else usual, usual):
            if said and module["weight"].shape[-1] % plan["group_size"] == 0:
                found.setdefault(name, plan)
    return found


def _is_packable(module: nn.Module) -> bool:
    return hasattr(module, "to_quantized")


def bytes_at(model: nn.Module, bits: int | None) -> int:
    """Room that all weights take: in plain floating point, or with layers of `bits` (16 bits of scale and bias in each
    group)."""
    total = 0.0
    packed = {name: module for name, module in model.named_modules() if is_quantised(module)}
    for name, array in flat_arrays(model.parameters()).items():
        owner, _, part = name.rpartition(".")
        if owner in packed and part in ("scales", "biases"):
            continue
        numbers = array.size * (32 // packed[owner].bits if owner in packed and part == "weight" else 1)
        size = 2 if owner in packed else array.itemsize
        total += numbers * ((bits + 0.5) / 8 if bits and array.ndim > 1 else size)
    return int(total)
