"""Adapter and model as one: weights that need no adapter any more.

Four bits cannot hold what an adapter adds. Of one whose change is 1 % the size of the weights a sixth survives
quantising again, of one of 10 % four fifths, and a zero adapter changes an eighth of all weights (mlx 0.32.4, groups of
64; the starter at 82 % held-out accuracy with its adapter had 71 % fused). So the layers that were trained are
unpacked unless the caller asks otherwise, and what is left is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map, tree_unflatten
from mlx_lm.utils import save

from droid_tune import words
from droid_tune.model.adapters import base_of, is_adapter
from droid_tune.model.policy import Policy


@dataclass(frozen=True)
class Fused:
    """What merging did: quantised layers that were unpacked or quantised again, and the share of the learnt change that
    the merged weights hold, from 0 to 1 (1: all of it)."""

    unpacked: int = 0
    requantised: int = 0
    kept: float = 1.0

    @property
    def sentence(self) -> str:
        """For a person; empty where nothing was quantised."""
        if self.requantised:
            return (
                f"{self.requantised} layers were quantised again and hold {words.share(self.kept)} of what was learnt; without "
                "`--requantise` they hold all of it."
            )
        if self.unpacked:
            return (
                f"The {self.unpacked} layers that were trained are no longer quantised, so that they hold all that was "
                "learnt; the model is larger."
            )
        return ""


def fuse_adapter(policy: Policy, *, requantise: bool = False) -> Fused:
    """Merge the adapter into the model's weights, in memory, in the type of the weights.

    Quantised layers that carry an adapter are unpacked; with `requantise` they keep the bits of the base.
    """
    merged: list[tuple[str, nn.Module]] = []
    quantised, held, learnt = 0, 0.0, 0.0
    for name, module in policy.model.named_modules():
        if not is_adapter(module):
            continue
        base = base_of(module)
        assert base is not None
        packed = "scales" in base
        new = _of_its_type(module.fuse(dequantize=packed and not requantise), base)
        quantised += packed
        if packed and requantise:
            kept, whole = _survival(base, new, module.fuse(dequantize=True))
            held, learnt = held + kept, learnt + whole
        mx.eval(new.parameters())
        merged.append((name, new))
    if merged:
        policy.model.update_modules(tree_unflatten(merged))
    policy.adapted = ()
    if requantise:
        return Fused(requantised=quantised, kept=held / learnt if learnt else 1.0)
    return Fused(unpacked=quantised)


def save_model(policy: Policy, folder: Path) -> None:
    """The whole model in the layout that it was loaded from: weights, config, tokenizer, chat template."""
    config = dict(policy.config)
    packed = {name for name, module in policy.model.named_modules() if "scales" in module}
    if packed:
        _leave_out_unpacked(config, packed)
    else:
        drop_quantisation(config)
    save(folder, str(policy.path), policy.model, policy.tokenizer, config, donate_model=False)


def drop_quantisation(config: dict[str, Any]) -> None:
    """Take out of a config what says that weights are packed, also where it says so of the language model of several."""
    for key in ("quantization", "quantization_config"):
        config.pop(key, None)
        if isinstance(text := config.get("text_config"), dict):
            config["text_config"] = {name: one for name, one in text.items() if name != key}


def _leave_out_unpacked(config: dict[str, Any], packed: set[str]) -> None:
    """Take layers that are no longer packed out of a config that names layers one by one: mlx-lm would look for their
    scales."""
    if isinstance(settings := config.get("quantization"), dict):
        config["quantization"] = {
            name: one for name, one in settings.items() if name in packed or not isinstance(one, dict)
        }


def _of_its_type(merged: nn.Module, base: nn.Module) -> nn.Module:
    """`merged` in the base's floating-point type: DoRA's float32 magnitudes would make the weights float32.

    Scales are of that type, but for those of mxfp4 and its kind, which are codes.
    """
    kind: mx.Dtype = unpacked_weight(base).dtype

    def cast(array: mx.array) -> mx.array:
        return array.astype(kind) if mx.issubdtype(array.dtype, mx.floating) else array

    merged.update(tree_map(cast, merged.parameters()))
    return merged


def _survival(base: nn.Module, merged: nn.Module, whole: nn.Module) -> tuple[float, float]:
    """The part of the learnt change that lies in the merged weights, and all of it: <merged - base, change> and
    <change, change>."""
    before = unpacked_weight(base)
    change = (whole["weight"] - before).astype(mx.float32)
    held = ((unpacked_weight(merged) - before).astype(mx.float32) * change).sum()
    return float(held), float(mx.square(change).sum())


def unpacked_weight(module: Any) -> mx.array:
    """A layer's weight in floating point, quantised or not."""
    if "scales" not in module:
        return module["weight"]
    return mx.dequantize(
        module["weight"],
        module["scales"],
        module.get("biases"),
        group_size=module.group_size,
        bits=module.bits,
        mode=module.mode,
    )
