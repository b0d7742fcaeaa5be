"""The preference methods of the second golden vectors, by the engine's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.methods.losses.pairs.bco_loss import RunningMean, bco_loss
from droid_tune.methods.losses.pairs.cpo_loss import CPOSpec, cpo_loss
from droid_tune.methods.losses.pairs.dpo_loss import dpo_loss, on_policy_weights
from droid_tune.methods.losses.pairs.dpo_objectives import DPOSpec
from droid_tune.methods.losses.pairs.kto_loss import KTOSpec, kto_divergence, kto_loss, mismatched
from droid_tune.methods.losses.pairs.orpo_loss import orpo_loss
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import finish_pair_metrics, finish_verdict_metrics
from droid_tune.methods.losses.pairs.pair_sides import PairSide, answer_sums, shared_length
from droid_tune.methods.losses.pairs.tpo_loss import TPOSpec, tpo_loss

Case = dict[str, Any]
SIDES = ("chosen", "rejected")


def array(values: np.ndarray) -> mx.array:
    return mx.array(np.asarray(values, np.float32))


def differentiated(inputs: Case, names: list[str], loss: Callable[..., Any]) -> tuple[float, Any, Case]:
    """`loss(*arrays)` of the named inputs: value, sums and gradients."""

    def listed(arrays: list[mx.array]) -> Any:
        return loss(*arrays)

    (value, sums), grads = mx.value_and_grad(listed)([array(inputs[name]) for name in names])
    return float(value), sums, dict(zip(names, map(np.array, grads), strict=True))


def pair_case(inputs: Case, batch: PairBatch, names: list[str], loss: Callable[..., Any]) -> Case:
    value, sums, grads = differentiated(inputs, names, loss)
    return {
        "loss": value,
        "grads": grads,
        "metrics": finish_pair_metrics([sums], batch.likelihood_tokens),
    }


def spec_of(kind: Any, config: Case) -> Any:
    return kind(**{name: value for name, value in config.items() if name in kind.__dataclass_fields__})


def dpo(inputs: Case, config: Case) -> Case:
    weights = config["loss_weights"]
    spec = spec_of(
        DPOSpec,
        config
        | {
            "loss_type": tuple(config["loss_type"]),
            "loss_weights": None if weights is None else tuple(weights),
        },
    )
    masks = [array(inputs[f"{side}_mask"]) for side in SIDES]
    references = [
        answer_sums(
            array(inputs[f"ref_{side}_logps"]), mask, ld_alpha=spec.ld_alpha, shared=shared_length(*masks)
        )
        for side, mask in zip(SIDES, masks, strict=True)
    ]
    weigh = None
    if spec.use_weighting:
        each = [
            on_policy_weights(array(inputs[f"{side}_logps"]), array(inputs[f"{side}_log_sum_sq_probs"]), mask)
            for side, mask in zip(SIDES, masks, strict=True)
        ]
        weigh = each[0] * each[1]
    batch = PairBatch(inputs["B"], float(inputs["chosen_mask"].sum()))

    def loss(chosen: mx.array, rejected: mx.array) -> Any:
        sides = [
            PairSide(lp, mask, reference, array(inputs[f"{side}_entropies"]))
            for lp, mask, reference, side in zip((chosen, rejected), masks, references, SIDES, strict=True)
        ]
        return dpo_loss(spec, batch, *sides, weigh)

    return pair_case(inputs, batch, ["chosen_logps", "rejected_logps"], loss)


def cpo(inputs: Case, config: Case) -> Case:
    batch = PairBatch(inputs["B"], float(inputs["chosen_mask"].sum()))
    spec = spec_of(CPOSpec, config)

    def loss(chosen: mx.array, rejected: mx.array) -> Any:
        return cpo_loss(spec, batch, *sides_of(inputs, chosen, rejected))

    return pair_case(inputs, batch, ["chosen_logps", "rejected_logps"], loss)


def sides_of(inputs: Case, chosen: mx.array, rejected: mx.array) -> list[PairSide]:
    return [
        PairSide(lp, array(inputs[f"{side}_mask"]))
        for lp, side in zip((chosen, rejected), SIDES, strict=True)
    ]


def orpo(inputs: Case, config: Case) -> Case:
    """A run's chosen rows hold their prompts too: here the prompt stands before the answer."""
    batch = PairBatch(inputs["B"], float(inputs["prompt_mask"].sum() + inputs["chosen_mask"].sum()))
    prompt, answer = array(inputs["prompt_mask"]), array(inputs["chosen_mask"])
    nothing = mx.zeros_like(prompt)

    def loss(chosen: mx.array, rejected: mx.array, read: mx.array) -> Any:
        whole = PairSide(mx.concatenate([read, chosen], axis=1), mx.concatenate([nothing, answer], axis=1))
        other = PairSide(rejected, array(inputs["rejected_mask"]))
        return orpo_loss(
            config["beta"], batch, whole, other, mx.concatenate([prompt, mx.zeros_like(answer)], axis=1)
        )

    return pair_case(inputs, batch, ["chosen_logps", "rejected_logps", "prompt_logps"], loss)


def tpo(inputs: Case, config: Case) -> Case:
    batch = PairBatch(inputs["B"], float(inputs["gold_mask"].sum()))
    spec = spec_of(TPOSpec, config)

    def loss(chosen: mx.array, rejected: mx.array, gold: mx.array) -> Any:
        sides = sides_of(inputs, chosen, rejected)
        return tpo_loss(spec, batch, *sides, PairSide(gold, array(inputs["gold_mask"])))

    return pair_case(inputs, batch, ["chosen_logps", "rejected_logps", "gold_logps"], loss)


def sums_of(inputs: Case, prefix: str) -> list[np.ndarray]:
    """Whole answers' log-probabilities under the policy and the reference."""
    mask = array(inputs[f"{prefix}mask"])
    return [np.array(answer_sums(array(inputs[f"{prefix}{name}"]), mask)) for name in ("logps", "ref_logps")]


def kto(inputs: Case, config: Case) -> Case:
    spec = spec_of(KTOSpec, config)
    kl = kto_divergence(*sums_of(inputs, "kl_")) if spec.loss_type == "kto" else 0.0
    found = verdict_case(inputs, lambda batch, answers, labels: kto_loss(spec, batch, answers, labels, kl))
    found["grads"]["kl_logps"] = np.zeros_like(inputs["kl_logps"])  # the divergence is a number
    return found | {"metrics": found["metrics"] | {"kl": kl}}


def bco(inputs: Case, config: Case) -> Case:
    policy, reference = sums_of(inputs, "")
    before = RunningMean(config["running_mean"], config["running_count"])
    delta = before.including(config["beta"] * (policy - reference)).mean
    found = verdict_case(
        inputs, lambda batch, answers, labels: bco_loss(config["beta"], batch, answers, labels, delta)
    )
    return found | {"metrics": found["metrics"] | {"delta": delta}}


def verdict_case(inputs: Case, loss_of: Callable[..., Any]) -> Case:
    batch, mask = PairBatch(inputs["B"]), array(inputs["mask"])
    reference = answer_sums(array(inputs["ref_logps"]), mask)

    def loss(logps: mx.array) -> Any:
        return loss_of(batch, PairSide(logps, mask, reference), array(inputs["label"]))

    value, sums, grads = differentiated(inputs, ["logps"], loss)
    return {"loss": value, "grads": grads, "metrics": finish_verdict_metrics([sums])}


def kto_kl_pairs(n: int, per_device_train_batch_size: int) -> np.ndarray:
    return mismatched(n, per_device_train_batch_size)


#: method -> (inputs, config) -> {"loss", "grads", "metrics"}
LOSSES: dict[str, Callable[..., Case]] = {
    "dpo": dpo,
    "cpo": cpo,
    "orpo": orpo,
    "tpo": tpo,
    "kto": kto,
    "bco": bco,
}
