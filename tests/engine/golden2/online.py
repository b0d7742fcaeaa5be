"""The online methods of the second golden vectors, by the engine's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.methods.advantages import Advantages
from droid_tune.methods.baselines import Penalty, RewardComparison, optimal_values
from droid_tune.methods.losses import (
    LossRows,
    LossSpec,
    finish_metrics,
    policy_loss,
    slice_context,
    top_entropy_mask,
)

Case = dict[str, Any]


def array(values: Any) -> mx.array:
    return mx.array(np.asarray(values, np.float32))


def sliced(inputs: Case, config: Case, spec: LossSpec, mask: Any, **constants: Any) -> Case:
    """One slice of the policy gradient: its loss, its gradient by the log-probabilities, its metrics."""
    kept = top_entropy_mask(inputs["entropies"], mask, spec.top_entropy_quantile)
    context = slice_context(
        mask,
        max_completion_length=mask.shape[1],
        entropy_mask=kept,
        gradient_accumulation_steps=config.get("gradient_accumulation_steps", 1),
        training=config.get("mode", "train") == "train",
    )
    rows = LossRows.of(mask=mask, entropy_mask=kept, **constants)
    entropies = array(inputs["entropies"])
    (value, sums), gradient = mx.value_and_grad(
        lambda logprobs: policy_loss(spec, context, rows, logprobs, entropies)
    )(array(inputs["logps"]))
    metrics = finish_metrics(spec, context, [sums])
    return {"loss": value.item(), "grads": {"logps": np.array(gradient)}, "metrics": metrics}


def rloo(inputs: Case, config: Case) -> Case:
    spec = LossSpec(loss_type="rloo", importance_sampling_level="sequence_sum", **config)
    return sliced(
        inputs,
        {},
        spec,
        inputs["mask"],
        advantages=inputs["advantages"],
        old_logprobs=inputs["old_logps"],
    )


def gmpo(inputs: Case, config: Case) -> Case:
    names = ("epsilon", "epsilon_high", "beta", "top_entropy_quantile")
    spec = LossSpec(loss_type="gmpo", **{name: config[name] for name in names})
    mask = inputs["mask"] * inputs["tool_mask"] if config["tool_mask"] else inputs["mask"]
    return sliced(
        inputs,
        config,
        spec,
        mask,
        advantages=inputs["advantages"],
        old_logprobs=inputs["old_logps"] if config["old"] else None,
        reference_logprobs=inputs["ref_logps"],
    )


def a2po(inputs: Case, config: Case) -> Case:
    spec = LossSpec(loss_type="a2po", importance_sampling_level="none", beta2=config["beta2"])
    above = np.asarray(config["rewards"], float) - np.asarray(config["v_star"], float)
    return sliced(inputs, {}, spec, inputs["mask"], advantages=above, reference_logprobs=inputs["ref_logps"])


def rloo_compared(rewards: Any, mask: Any, old_logps: Any, ref_logps: Any, config: Case) -> Advantages:
    functions = rewards.shape[1]
    compared = RewardComparison(
        "leave_one_out",
        config["num_generations"],
        config["reward_weights"] or [1.0] * functions,
        [f"r{number}" for number in range(functions)],
        config["reward_clip_range"],
        config["beta"],
        config["normalize_advantages"],
    )
    return compared.advantages(rewards, Penalty.of(old_logps, ref_logps, mask))


def rloo_advantages(*case: Any) -> np.ndarray:
    return rloo_compared(*case).values


def a2po_values(rewards: np.ndarray, beta1: float) -> np.ndarray:
    return optimal_values(rewards, beta1)


#: method -> (inputs, config) -> {"loss", "grads", "metrics"}
LOSSES: dict[str, Callable[..., Case]] = {
    "rloo": rloo,
    "gmpo": gmpo,
    "a2po": a2po,
}
