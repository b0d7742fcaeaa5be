"""The distillation methods of the second golden vectors, by the engine's own functions.

Logits stand for hidden states: a head that changes nothing, and the chain that `HeadLoss` follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.methods.advantages import reward_table
from droid_tune.methods.distillation.across_tokenizers import Uld, aligned_groups, merged, uld_loss
from droid_tune.methods.distillation.averages import TaughtRows, row_mean
from droid_tune.methods.distillation.demonstrations import ShowingRules, shown_to_teachers
from droid_tune.methods.distillation.divergence import Divergence
from droid_tune.methods.distillation.reward_to_go import reward_to_go
from droid_tune.methods.distillation.self_taught import self_taught_advantages
from droid_tune.methods.distillation.teacher_reports import TeacherReports
from droid_tune.methods.distillation.token_sums import finish_weights, importance_weighted, token_mean
from droid_tune.methods.losses import LossRows, LossSpec, policy_loss, slice_context
from droid_tune.methods.reference_sync import mixed, teacher_share
from droid_tune.model.gradients.head import Measuring, score_tokens
from droid_tune.model.gradients.teacher_measure import TeacherMeasure
from droid_tune.numerics import token_logprobs

Case = dict[str, Any]
#: tokens per head chunk: fewer than the cases have, so that they are cut
CHUNK = 3


def array(values: Any) -> mx.array:
    return mx.array(np.asarray(values, np.float32))


class Tokens:
    """The scored tokens of a case, flat, as a run's micro-batch has them."""

    def __init__(self, inputs: Case, mask: np.ndarray, temperature: float) -> None:
        self.shape, self.temperature = mask.shape, temperature
        self.flat = np.flatnonzero(mask.reshape(-1) > 0)
        width = inputs["student_logits"].shape[-1]
        self.targets = mx.array(inputs["completion_ids"].astype(np.int32).reshape(-1)[self.flat])
        self.student = array(inputs["student_logits"].reshape(-1, width)[self.flat])
        self.teacher = array(inputs["teacher_logits"].reshape(-1, width)[self.flat])

    def measure(self, divergence: Divergence) -> TeacherMeasure:
        """As a run keeps its teacher: the states of the scored tokens, and the head that they are for."""
        slots = np.full(self.shape, -1)
        slots.reshape(-1)[self.flat] = np.arange(len(self.flat))
        return TeacherMeasure(divergence, self.teacher, slots, lambda states: states, self.temperature)

    def teacher_logprobs(self) -> mx.array:
        return self.spread(token_logprobs(self.teacher, self.targets, self.temperature))

    def spread(self, values: mx.array) -> mx.array:
        return mx.zeros(self.shape).reshape(-1).at[mx.array(self.flat)].add(values).reshape(self.shape)

    def through(self, loss: Callable[..., Any], measure: Any = None) -> tuple[float, np.ndarray, Any, Any]:
        """Value, gradient by the student's logits, sums and entropies of a loss of log-probabilities and measures."""
        rows, length = self.shape
        measuring = None
        if measure is not None:
            measuring = Measuring(measure, measure.places(np.arange(rows), self.flat, length))
        found = score_tokens(
            lambda states: states,
            self.student,
            self.targets,
            temperature=self.temperature,
            chunk=CHUNK,
            with_entropy=True,
            with_gradients=True,
            entropy_gradients=False,
            measuring=measuring,
        )
        kinds = [(found.logprobs, found.logprob_gradients)]
        if found.measures is not None:
            kinds.append((found.measures, found.measure_gradients))
        spread = [self.spread(values) for values, _ in kinds]
        (value, sums), slopes = mx.value_and_grad(lambda values: loss(*values))(spread)
        by_logits = np.zeros((rows * length, self.student.shape[-1]))
        for slope, (_, inner) in zip(slopes, kinds, strict=True):
            by_logits[self.flat] += np.array(slope).reshape(-1)[self.flat, None] * np.array(inner)
        entropies = np.array(found.entropies)
        return value.item(), by_logits.reshape(rows, length, -1), sums, entropies


def result(value: float, gradient: np.ndarray, metrics: Case) -> Case:
    return {"loss": value, "grads": {"student_logits": gradient}, "metrics": metrics}


def by_divergence(inputs: Case, config: Case, divergence: Divergence, measure: Any = None) -> Case:
    mask = inputs["mask"]
    tokens = Tokens(inputs, mask, config["temperature"])
    count = config.get("num_items_in_batch") or float(mask.sum())
    value, gradient, _, entropies = tokens.through(
        lambda _, values: token_mean(values, array(mask), count),
        measure(tokens) if measure else tokens.measure(divergence),
    )
    return result(value, gradient, {"entropy": float(entropies.mean())})


def distillation(inputs: Case, config: Case) -> Case:
    return by_divergence(inputs, config, Divergence(config["beta"]))


def topk_jsd(inputs: Case, config: Case) -> Case:
    divergence = Divergence(config["beta"], config["loss_top_k"], tail=config["loss_add_tail"])
    return by_divergence(inputs, config, divergence)


def minillm(inputs: Case, config: Case) -> Case:
    return by_divergence(inputs, {"temperature": 1.0}, Divergence(1.0))


def server_distillation(inputs: Case, config: Case) -> Case:
    """What a server would report of its teacher, made of the teacher's logits."""

    def measure(tokens: Tokens) -> TeacherReports:
        logits = np.array(tokens.teacher, np.float64) / config["temperature"]
        logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        best = np.argsort(-logprobs, axis=-1)[:, : config["loss_top_k"]]
        sampled = np.array(tokens.targets)
        slots = np.full(tokens.shape, -1)
        slots.reshape(-1)[tokens.flat] = np.arange(len(tokens.flat))
        return TeacherReports(
            best,
            np.take_along_axis(logprobs, best, axis=-1),
            sampled,
            np.take_along_axis(logprobs, sampled[:, None], axis=-1)[:, 0],
            slots,
            beta=config["beta"],
            tail=config["loss_add_tail"],
        )

    return by_divergence(inputs, config, Divergence(), measure)


def iw_opd(inputs: Case, config: Case) -> Case:
    mask = inputs["mask"]
    tokens = Tokens(inputs, mask, config["temperature"])
    old = array(inputs["rollout_logps"]) if config["rollout"] else None
    rows = TaughtRows(array(mask), tokens.teacher_logprobs(), old)
    count = config["num_items_in_batch"] or float(mask.sum())
    value, gradient, sums, _ = tokens.through(
        lambda logprobs: importance_weighted(rows, logprobs, gamma=config["iw_opd_gamma"], tokens=count)
    )
    return result(value, gradient, finish_weights([sums]))


def self_distilled(inputs: Case, config: Case, mask: np.ndarray) -> tuple[Callable[..., Any], Any, Tokens]:
    """The loss of log-probabilities (and measures), its measure, and the tokens that are scored."""
    scored = inputs["mask"] if "distillation_weight" in config else mask
    tokens = Tokens(inputs, scored, config["temperature"])
    mode = config["distillation_mode"]
    measure = None
    if mode != "sampled_token":
        top_k = config["distillation_topk"] if mode == "topk_logits" else None
        divergence = Divergence(
            config["distillation_alpha"], top_k, "student", config["distillation_add_tail"]
        )
        measure = tokens.measure(divergence)
    old = array(inputs["old_logps"]) if config["old"] else None
    rows = TaughtRows(array(mask), tokens.teacher_logprobs(), old)

    def loss(logprobs: mx.array, divergences: mx.array | None = None) -> Any:
        return row_mean(
            rows,
            logprobs,
            divergences,
            all_rows=float(len(mask)) * config["gradient_accumulation_steps"],
            largest_ratio=config["distillation_is_clip"],
        )

    return loss, measure, tokens


def taught(sums: Case) -> float:
    return sums["divergence"].item() / max(sums["taught_tokens"].item(), 1.0)


def sdft(inputs: Case, config: Case) -> Case:
    skipped = np.arange(inputs["mask"].shape[1]) < config["num_loss_tokens_to_skip"]
    loss, measure, tokens = self_distilled(inputs, config, inputs["mask"] * ~skipped)
    value, gradient, sums, _ = tokens.through(loss, measure)
    return result(value, gradient, {"self_distillation/distillation_loss": taught(sums)})


def sdpo(inputs: Case, config: Case) -> Case:
    mask, weight = inputs["mask"], config["distillation_weight"]
    if config["use_self_distillation_mask"]:
        mask = mask * inputs["self_distillation_mask"][:, None]
    distil, measure, tokens = self_distilled(inputs, config, mask)
    spec = LossSpec(
        loss_type="bnpo" if config["loss_type"] == "dapo" else config["loss_type"],
        importance_sampling_level=config["importance_sampling_level"],
    )
    context = slice_context(
        inputs["mask"],
        max_completion_length=config["max_completion_length"],
        gradient_accumulation_steps=config["gradient_accumulation_steps"],
    )
    rows = LossRows.of(
        mask=inputs["mask"],
        advantages=inputs["advantages"],
        old_logprobs=inputs["old_logps"] if config["old"] else None,
    )

    def loss(logprobs: mx.array, divergences: mx.array | None = None) -> Any:
        taught_loss, sums = distil(logprobs, divergences)
        policy, further = policy_loss(spec, context, rows, logprobs)
        return weight * taught_loss + (1.0 - weight) * policy, sums | further

    value, gradient, sums, _ = tokens.through(loss, measure)
    metrics = {
        "self_distillation/distillation_loss": taught(sums),
        "self_distillation/policy_loss": sums["policy_loss"].item(),
    }
    return result(value, gradient, metrics)


def gold_uld(inputs: Case, config: Case) -> Case:
    sides = {}
    for side in ("student", "teacher"):
        answer = np.flatnonzero(inputs[f"{side}_loss_mask"][0] > 0)
        count = len(answer) - int(config[f"skip_{side}_eos"])
        sides[side] = (int(answer[0]), count, inputs[f"{side}_byte_offsets"][0][answer[0] :][:count].tolist())
    groups = aligned_groups(sides["student"][2], sides["teacher"][2])
    strategy = config["token_merge_strategy"]
    if not config["use_extended_uld"]:
        groups = [([place], [place]) for place in range(min(sides["student"][1], sides["teacher"][1]))]
    uld = Uld(
        strategy,
        config["beta"],
        config["matched"] if config["hybrid"] else None,
        config["hybrid_matched_weight"],
        config["hybrid_unmatched_weight"],
    )

    def distribution(logits: mx.array, side: str, which: int) -> mx.array:
        start, count, _ = sides[side]
        first = start - (strategy == "bayesian")
        probabilities = mx.softmax(logits[0, first : first + count] / config[f"{side}_temperature"], axis=-1)
        ids = mx.array(inputs[f"{side}_ids"][0][start : start + count].astype(np.int32))
        return merged(probabilities, [group[which] for group in groups], ids, strategy)

    other = distribution(array(inputs["teacher_logits"]), "teacher", 1)

    def loss(logits: mx.array) -> Any:
        value, parts = uld_loss(uld, distribution(logits, "student", 0), other)
        learnt = np.flatnonzero(inputs["student_loss_mask"][0][1:] > 0)
        targets = mx.array(inputs["student_ids"][0][1:][learnt].astype(np.int32))
        nll = -token_logprobs(logits[0, mx.array(learnt)], targets, 1.0).mean()
        return config["distillation_weight"] * value + config["crossentropy_weight"] * nll, parts

    (value, parts), gradient = mx.value_and_grad(loss)(array(inputs["student_logits"]))
    return result(value.item(), np.array(gradient), {name: one.item() for name, one in parts.items()})


def sdpo_advantages(rewards: np.ndarray, num_generations: int, scale_rewards: Any) -> np.ndarray:
    return self_taught_advantages(reward_table(rewards), num_generations, scale_rewards)


def sdpo_demonstrations(case: Case) -> tuple[list[str], list[int]]:
    rules = ShowingRules(**{name: case[name] for name in ShowingRules.__dataclass_fields__})
    shown = shown_to_teachers(case["rewards"], case["num_generations"], case["feedbacks"], rules)
    texts = [
        "p"
        + ("" if one.demonstration is None else f"S[{one.demonstration}]")
        + ("" if one.feedback is None else f"F[{one.feedback}]")
        for one in shown
    ]
    return texts, [int(one.teaches) for one in shown]


def teacher_sync(
    teacher_initial: np.ndarray,
    student_after_step: np.ndarray,
    teacher_update_rate: float,
    teacher_sync_steps: int,
) -> np.ndarray:
    teacher, found = array(teacher_initial), []
    for step, student in enumerate(student_after_step, start=1):
        share = teacher_share(step, rate=teacher_update_rate, every=teacher_sync_steps)
        if share is not None:
            teacher = mixed(array(student), teacher, share)
        found.append(np.array(teacher))
    return np.array(found)


def minillm_advantages(inputs: Any, gamma: float, length_normalization: bool) -> np.ndarray:
    tokens = Tokens(inputs, inputs["mask"], 1.0)
    student = tokens.spread(token_logprobs(tokens.student, tokens.targets, 1.0))
    return reward_to_go(
        np.array(tokens.teacher_logprobs()),
        np.array(student),
        inputs["mask"],
        gamma,
        by_length=length_normalization,
    )


#: method -> (inputs, config) -> {"loss", "grads", "metrics"}
LOSSES: dict[str, Callable[..., Case]] = {
    "gkd": distillation,
    "distillation": distillation,
    "topk_jsd": topk_jsd,
    "server_distillation": server_distillation,
    "iw_opd": iw_opd,
    "sdft": sdft,
    "sdpo": sdpo,
    "gold_uld": gold_uld,
    "minillm_single_step": minillm,
}
