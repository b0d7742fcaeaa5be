"""Adapter and model as one: weights that need no adapter any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_unflatten
from mlx_lm.utils import save

from droid_tune.model.adapters import is_adapter
from droid_tune.model.policy import Policy


def fuse_adapter(policy: Policy) -> None:
    """Merge the adapter into the model's weights, in memory. Quantised weights are quantised again."""
    fused: list[tuple[str, Any]] = [
        (name, module.fuse()) for name, module in policy.model.named_modules() if is_adapter(module)
    ]
    if fused:
        policy.model.update_modules(tree_unflatten(fused))
        mx.eval(policy.model.parameters())
    policy.adapted = ()


def save_model(policy: Policy, folder: Path) -> None:
    """The whole model in the layout that it was loaded from: weights, config, tokenizer, chat template."""
    save(folder, str(policy.path), policy.model, policy.tokenizer, dict(policy.config), donate_model=False)
