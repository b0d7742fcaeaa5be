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
from droid_tune.methods.losses.online_pairs import (
    Explored,
    nash_loss,
    preference_loss,
    preferred_first,
    summed,
    xpo_loss,
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


def online_dpo(inputs: Case, config: Case) -> Case:
    prompts = int(inputs["B"])
    scores = np.asarray(inputs["rewards"], float)
    ended = np.asarray(inputs["contain_eos"], float) > 0
    chosen_first, score_metrics = preferred_first(scores, ended, config["missing_eos_penalty"])
    mask, reference = array(inputs["mask"]), array(inputs["ref_logps"])

    def loss(logprobs: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
        halves = [slice(0, prompts), slice(prompts, 2 * prompts)]
        pair = [Explored(summed(logprobs[h], mask[h]), summed(reference[h], mask[h])) for h in halves]
        return preference_loss(
            pair[0], pair[1], mx.array(chosen_first), config["loss_type"], config["beta"], float(prompts)
        )

    (value, sums), gradient = mx.value_and_grad(loss)(array(inputs["logps"]))
    metrics = {name: number.item() / prompts for name, number in sums.items()}
    kl = metrics.pop("objective/kl")
    metrics |= score_metrics | {
        "objective/kl": kl,
        "objective/non_score_reward": -config["beta"] * kl,
        "objective/rlhf_reward": score_metrics["objective/scores"] - config["beta"] * kl,
    }
    return {"loss": value.item(), "grads": {"logps": np.array(gradient)}, "metrics": metrics}


def sampled_by(inputs: Case, whose: str, logprobs: mx.array) -> Explored:
    mask = array(inputs[f"{whose}_mask"])
    return Explored(summed(logprobs, mask), summed(array(inputs[f"{whose}_ref_logps"]), mask))


def xpo(inputs: Case, config: Case) -> Case:
    first = mx.array(np.asarray(inputs["model_scores"]) >= np.asarray(inputs["ref_scores"]))

    def loss(own: mx.array, other: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
        pair = sampled_by(inputs, "model", own), sampled_by(inputs, "ref", other)
        rows = float(first.size)
        return xpo_loss(*pair, first, config["loss_type"], config["beta"], config["alpha"], rows)

    (value, sums), grads = mx.value_and_grad(loss, argnums=(0, 1))(
        array(inputs["model_logps"]), array(inputs["ref_logps"])
    )
    rows = first.size
    return {
        "loss": value.item(),
        "grads": {"model_logps": np.array(grads[0]), "ref_logps": np.array(grads[1])},
        "metrics": {name: sums[name].item() / rows for name in ("loss/dpo", "loss/xpo")},
    }


def nash_md(inputs: Case, config: Case) -> Case:
    mask, reference = array(inputs["model_mask"]), array(inputs["model_ref_logps"])
    beats = mx.sigmoid(array(np.asarray(inputs["model_scores"]) - np.asarray(inputs["ref_scores"])))

    def loss(own: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
        return nash_loss(own, reference, mask, beats, config["beta"], float(beats.size))

    (value, sums), gradient = mx.value_and_grad(loss)(array(inputs["model_logps"]))
    metrics = {name: sums[name].item() / beats.size for name in ("loss/score", "loss/kl")}
    return {"loss": value.item(), "grads": {"model_logps": np.array(gradient)}, "metrics": metrics}


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
    "online_dpo": online_dpo,
    "xpo": xpo,
    "nash_md": nash_md,
}
