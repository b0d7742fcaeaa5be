"""The engine as `check_engine.py` of the golden vectors calls it: thin calls into the engine's own functions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.methods.advantages import compute_advantages
from droid_tune.methods.correction import sampler_ratio
from droid_tune.methods.losses import (
    LossRows,
    LossSpec,
    SliceContext,
    finish_metrics,
    policy_loss,
    slice_context,
    top_entropy_mask,
)
from droid_tune.model.gradients.head import score_tokens
from droid_tune.rollout.samplers import SamplerSettings, filtered_logits, sample, seen_tokens

#: tokens per head chunk: fewer than the cases have, so that they are cut
CHUNK = 3


def loss(inputs: dict[str, Any], config: dict[str, Any], rows_at_once: int | None = None) -> dict[str, Any]:
    """One slice's loss, its gradients and metrics, optionally summed over micro-batches of `rows_at_once`."""
    mask = inputs["mask"] * inputs["tool_mask"] if config["tool_mask"] else inputs["mask"]
    spec = LossSpec(**{f.name: config[f.name] for f in fields(LossSpec) if f.name in config})
    kept = top_entropy_mask(inputs["entropies"], mask, spec.top_entropy_quantile)
    context = slice_context(
        mask,
        max_completion_length=config["max_completion_length"],
        rollout_tokens=config["num_items_in_batch"],
        entropy_mask=kept,
        gradient_accumulation_steps=config["gradient_accumulation_steps"],
        steps_per_generation=config["steps_per_generation"],
        entropy_coef=config["entropy_coef"],
        training=config["mode"] == "train",
    )
    rows = LossRows.of(
        mask=mask,
        advantages=inputs["advantages"],
        old_logprobs=inputs[config["old"]] if config["old"] else None,
        reference_logprobs=inputs["ref_logps"],
        sampled_logprobs=inputs["sampling_logps"] if config["sampling"] else None,
        sampler_ratio=inputs[config["is_ratio"]] if config["is_ratio"] else None,
        entropy_mask=kept,
    )
    return evaluated(spec, context, rows, inputs["logps"], inputs["entropies"], rows_at_once)


def evaluated(
    spec: LossSpec,
    context: SliceContext,
    rows: LossRows,
    logprobs: np.ndarray,
    entropies: np.ndarray,
    rows_at_once: int | None = None,
) -> dict[str, Any]:
    """The slice evaluated in micro-batches: summed loss, concatenated gradients, finished metrics."""
    count = len(logprobs)
    size = rows_at_once or count
    total, token_grads, entropy_grads, parts = 0.0, [], [], []
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        taken = rows.take(np.arange(part.start, part.stop))

        def share(
            lp: mx.array, ent: mx.array, taken: LossRows = taken
        ) -> tuple[mx.array, dict[str, mx.array]]:
            return policy_loss(spec, context, taken, lp, ent)

        arrays = [mx.array(a[part].astype(np.float32)) for a in (logprobs, entropies)]
        (value, sums), grads = mx.value_and_grad(share, argnums=(0, 1))(*arrays)
        total += float(value)
        parts.append(sums)
        token_grads.append(np.array(grads[0]))
        entropy_grads.append(np.array(grads[1]))
    return {
        "loss": total,
        "grad_logps": np.concatenate(token_grads),
        "grad_entropies": np.concatenate(entropy_grads),
        "metrics": finish_metrics(spec, context, parts),
        "sums": parts,
    }


def advantages(
    rewards: list[list[float | None]],
    reward_weights: list[float] | None,
    num_generations: int,
    scale_rewards: Any,
    multi_objective_aggregation: Any,
) -> np.ndarray:
    return compute_advantages(
        rewards,
        num_generations,
        weights=reward_weights,
        scale_rewards=scale_rewards,
        aggregation=multi_objective_aggregation,
    ).values


def logps_entropy(
    logits: np.ndarray, targets: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """The scoring head with logits for hidden states: its pass from hidden states to logits changes nothing."""
    flat = mx.array(logits.reshape(-1, logits.shape[-1]).astype(np.float32))
    found = score_tokens(
        lambda states: states,
        flat,
        mx.array(targets.reshape(-1)),
        temperature=temperature,
        chunk=CHUNK,
        with_entropy=True,
    )
    return np.array(found.logprobs).reshape(targets.shape), np.array(found.entropies).reshape(targets.shape)


def is_ratio(
    old_logps: np.ndarray,
    sampling_logps: list[list[float | None]],
    mask: np.ndarray,
    mode: Any,
    clip_max: Any,
    clip_min: Any,
) -> np.ndarray:
    return sampler_ratio(old_logps, padded(sampling_logps, mask.shape[1]), mask, mode, clip_max, clip_min)


def padded(rows: list[list[float | None]], width: int) -> np.ndarray:
    """Ragged rows as a matrix, NaN for what is missing."""
    return np.array([row + [None] * (width - len(row)) for row in rows], dtype=np.float64)


def sample_probs(
    logits: np.ndarray, history: list[int], config: dict[str, Any], temperature_first: bool
) -> np.ndarray:
    settings = SamplerSettings(
        **{**config, "xtc_special_tokens": tuple(config["xtc_special_tokens"])},
        order="temperature_first" if temperature_first else "temperature_last",
    )
    seen = seen_tokens([history], logits.size)
    given = mx.array(logits.astype(np.float32))[None]
    if settings.temperature == 0:
        token = sample(given, settings, mx.zeros((1, 3)), seen=seen).tokens
        return np.array(mx.arange(logits.size) == token, np.float32)
    return np.array(mx.softmax(filtered_logits(given, settings, seen=seen), axis=-1, precise=True)[0])
