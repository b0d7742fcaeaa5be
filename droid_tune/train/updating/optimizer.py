"""The optimizer from MLX, and the path of its learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import mlx.core as mx
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from droid_tune.config.training_config import OptimizerConfig
from droid_tune.train.updating.fused_adam import FusedAdam
from droid_tune.train.updating.masters import MasterWeights, needs_masters
from droid_tune.train.updating.muon import MatrixMuon

Tree = dict[str, Any]
Updater = optim.Optimizer | MasterWeights


def learning_rate_at(config: OptimizerConfig, step: int, total_steps: int) -> float:
    """Learning rate of update number `step` (from 0) of `total_steps`.

    Warm-up rises linearly and reaches the full rate at `warmup_steps`; then constant, linear or cosine down to
    `final_fraction` of it, which the update behind the last would have (as in transformers: no update is wasted).
    """
    peak = config.learning_rate
    assert peak is not None, "the config must be resolved"
    if step < config.warmup_steps:
        return peak * (step + 1) / (config.warmup_steps + 1)
    if config.schedule == "constant":
        return peak
    span = max(1, total_steps - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / span)
    shape = 1 - progress if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (config.final_fraction + (1 - config.final_fraction) * shape)


def build_optimizer(
    config: OptimizerConfig, trainable: Mapping[str, mx.array], *, factors: bool = False
) -> Updater:
    """The optimizer of `trainable` with its settings; the loop sets its learning rate before each update.

    `factors`: the weights are an adapter's, not whole layers'.
    """
    optimizer = _optimizer(config, factors=factors)
    return MasterWeights(optimizer) if needs_masters(trainable) else optimizer


def _optimizer(config: OptimizerConfig, *, factors: bool) -> optim.Optimizer:
    rate = config.learning_rate or 0.0
    betas = [config.beta1, config.beta2]
    match config.name:
        case "adamw":
            return FusedAdam(rate, betas, config.weight_decay)
        case "adam":
            return FusedAdam(rate, betas)
        case "adafactor":
            return optim.Adafactor(
                rate,
                relative_step=False,
                scale_parameter=False,
                warmup_init=False,
                weight_decay=config.weight_decay,
            )
        case "lion":
            return optim.Lion(rate, betas=betas, weight_decay=config.weight_decay)
        case "muon":
            return optim.MultiOptimizer(
                [
                    MatrixMuon(rate, config.beta1, config.weight_decay, aspect=not factors),
                    FusedAdam(rate, betas, config.weight_decay),
                ],
                [_is_hidden_matrix],
            )


def _is_hidden_matrix(name: str, weight: mx.array) -> bool:
    """Muon is for hidden matrices: not for embeddings, heads, biases and norms (Jordan et al., 2024)."""
    return weight.ndim >= 2 and all(word not in name for word in ("embed", "lm_head", "score"))


def set_learning_rate(optimizer: Updater, rate: float) -> None:
    """MultiOptimizer has no rate of its own: its parts do."""
    if isinstance(optimizer, MasterWeights):
        optimizer = optimizer.inner
    if isinstance(optimizer, optim.MultiOptimizer):
        for part in optimizer.optimizers:
            part.learning_rate = mx.array(rate)
    else:
        optimizer.learning_rate = mx.array(rate)


def optimizer_tensors(optimizer: Updater) -> dict[str, mx.array]:
    """Its whole state, flat, for a checkpoint."""
    return dict(cast("list[tuple[str, mx.array]]", tree_flatten(optimizer.state)))


def restore_optimizer(optimizer: Updater, tensors: dict[str, mx.array]) -> None:
    """Put a checkpoint's state back. Must come before the first compiled update."""
    optimizer.state = tree_unflatten(list(tensors.items()))


def gradient_norm(gradients: Tree) -> mx.array:
    """Euclidean norm over all gradients, float32 scalar."""
    squares = [
        mx.sum(mx.square(g.astype(mx.float32)))
        for _, g in cast("list[tuple[str, mx.array]]", tree_flatten(gradients))
    ]
    return mx.sqrt(sum(squares, start=mx.array(0.0)))


def clip_to_norm(gradients: Tree, norm: mx.array, limit: float) -> Tree:
    """Scale down to `limit` where the norm is larger; `limit` 0 leaves them."""
    if not limit:
        return gradients
    factor = mx.minimum(limit / (norm + 1e-6), 1.0)

    def scaled(gradient: mx.array) -> mx.array:
        return gradient * factor.astype(gradient.dtype)

    return cast(Tree, tree_map(scaled, gradients))
