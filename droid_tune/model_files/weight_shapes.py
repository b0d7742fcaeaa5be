"""What the headers of a model's weights tell of its layers."""

from __future__ import annotations

import re
from collections import Counter

from droid_tune.model_files.facts import Linear
from droid_tune.model_files.headers import Tensor
from droid_tune.model_files.packing_groups import Packing

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.+)$")
#: the towers of models that see or hear: mlx-lm leaves them out
_SEES_OR_HEARS = re.compile(r"(?:^|\.)(?:vision|visual|audio)\w*\.")
#: experts as transformers stores them, each by itself; mlx-lm stacks them
_ONE_EXPERT = re.compile(r"\.experts\.\d+\.")
_FLOATS = {"F32": 4, "F16": 2, "BF16": 2}


def width_of(linears: tuple[Linear, ...], name: str) -> int:
    """What a projection of the widest layer's attention gives, 0 where it has none of that name."""
    return next((one.outputs for one in linears if one.name == f"self_attn.{name}"), 0)


def layers_of(tensors: tuple[Tensor, ...]) -> dict[int, list[tuple[str, Tensor]]]:
    """The tensors of each layer by its number, their names relative to it."""
    found: dict[int, list[tuple[str, Tensor]]] = {}
    for tensor in tensors:
        match = _LAYER.search(tensor.name)
        if match and not _SEES_OR_HEARS.search(tensor.name):
            found.setdefault(int(match[1]), []).append((match[2], tensor))
    return found


def linears_of(layer: list[tuple[str, Tensor]], packed: Packing) -> tuple[Linear, ...]:
    """The matrices of a layer."""
    found: dict[str, Linear] = {}
    for name, tensor in layer:
        if not name.endswith(".weight") or len(tensor.shape) not in (2, 3):
            continue
        own = name.removesuffix(".weight")
        *experts, outputs, inputs = tensor.shape
        unpacked = packed.inputs(tensor.name.removesuffix(".weight"))
        called = _ONE_EXPERT.sub(".switch_mlp.", own)
        others = found[called].experts if called in found else 0
        count = others + (experts[0] if experts else 1)
        found[called] = Linear(called, unpacked or inputs, outputs, unpacked is not None, count)
    return tuple(found.values())


def embedding_of(tensors: tuple[Tensor, ...]) -> tuple[int, int] | None:
    """Rows and columns of the table of embeddings."""
    for tensor in tensors:
        if "embed" in tensor.name and tensor.name.endswith(".weight") and len(tensor.shape) == 2:
            return tensor.shape[0], tensor.shape[1]
    return None


def compute_bytes_of(tensors: tuple[Tensor, ...], declared: str) -> int:
    """Activations take the type of the norms and scales; without weights, of the config."""
    kinds = Counter(t.dtype for t in tensors if len(t.shape) == 1 or t.name.endswith(".scales"))
    kinds = kinds or Counter(t.dtype for t in tensors)
    for dtype, _ in kinds.most_common():
        if dtype in _FLOATS:
            return _FLOATS[dtype]
    return 4 if declared == "float32" else 2
