"""How many weights of a packed matrix share a scale: what tells how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from droid_tune.model_files.headers import Tensor

_USUAL = (64, 32, 128, 16)
#: what unpacks other arrays and is no weight itself
_UNPACKS = (".scales", ".biases", "_scale_inv")


@dataclass(frozen=True)
class Packing:
    """The scales of all packed matrices by their names, and a config's `quantization` with what it says of single ones."""

    scales: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    group: int

    @staticmethod
    def of(tensors: Sequence[Tensor], settings: Mapping[str, Any], group: int, hidden: int) -> Packing:
        """`group` is the config's for all matrices, 0 where it says none; then it is found by the model's width."""
        scales = {t.name.removesuffix(".scales"): t for t in tensors if t.name.endswith(".scales")}
        if scales and not group:
            packed = {t.name.removesuffix(".weight"): t for t in tensors if t.name.endswith(".weight")}
            group = _fitting(scales, packed, hidden)
        return Packing(scales, settings, group or _USUAL[0])

    def inputs(self, name: str) -> int | None:
        """The inputs of a packed matrix, None of one that is not packed."""
        scale = self.scales.get(name)
        return None if scale is None else scale.shape[-1] * self._group_of(name)

    def numbers(self, tensor: Tensor) -> int:
        """Weights in an array: those that are packed in it, none in what unpacks others."""
        if tensor.name.endswith(_UNPACKS):
            return 0
        name = tensor.name.removesuffix(".weight")
        return self.scales[name].size * self._group_of(name) if name in self.scales else tensor.size

    def _group_of(self, name: str) -> int:
        own = self.settings.get(name)
        size = cast("dict[str, Any]", own).get("group_size") if isinstance(own, dict) else None
        return size if isinstance(size, int) and size > 0 else self.group


def _fitting(scales: Mapping[str, Tensor], packed: Mapping[str, Tensor], hidden: int) -> int:
    """The group by which some matrix is as wide as the model."""
    for group in _USUAL:
        for name, scale in scales.items():
            words = packed[name].shape[-1] if name in packed else 0
            if group * scale.shape[-1] == hidden and words * 32 % hidden == 0:
                return group
    return _USUAL[0]
