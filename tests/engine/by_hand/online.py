"""Online losses by hand: RLOO, GMPO, A*-PO, Online DPO, XPO, Nash-MD, and RLOO's advantages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.engine.by_hand.preference import Case, Floats, Found, compared, log_sigmoid, sigmoid, total


def clip_shares(ratio: Floats, advantages: Floats, low: float, high: float) -> dict[str, float]:
    """Of rows: below the range with a negative advantage, above it with a positive one."""
    below, above = (ratio < 1 - low) & (advantages < 0), (ratio > 1 + high) & (advantages > 0)
    return {
        "clip_ratio/low_mean": float(below.mean()),
        "clip_ratio/high_mean": float(above.mean()),
        "clip_ratio/region_mean": float((below | above).mean()),
    }


def rloo(x: Case, _: Case, config: Case) -> Found:
    low, high = config["epsilon"], config["epsilon_high"]
    high = low if high is None else high
    ratio = np.exp(total(x["logps"] - x["old_logps"], x["mask"]))
    held = np.clip(ratio, 1 - low, 1 + high)
    loss = -np.minimum(ratio * x["advantages"], held * x["advantages"]).mean()
    return float(loss), clip_shares(ratio, x["advantages"], low, high)


def gmpo(x: Case, at: Case, config: Case) -> Found:
    low, high = config["epsilon"], config["epsilon_high"]
    high = low if high is None else high
    mask = x["mask"] * x["tool_mask"] if config["tool_mask"] else x["mask"]
    kept = mask.copy()
    if config["top_entropy_quantile"] < 1:
        bar = np.quantile(x["entropies"][mask > 0], 1 - config["top_entropy_quantile"])
        kept = mask * (x["entropies"] >= bar)
    old = x["old_logps"] if config["old"] else at["logps"]
    loss = 0.0
    for row, advantage in enumerate(x["advantages"]):
        here, all_here = kept[row] > 0, mask[row] > 0
        moved = (x["logps"][row] - old[row])[here]
        moved = np.minimum(moved, high) if advantage > 0 else np.maximum(moved, -low)
        loss -= advantage * np.exp(moved.sum() / max(here.sum(), 1))
        gap = (x["ref_logps"][row] - x["logps"][row])[all_here]
        loss += config["beta"] * (np.exp(gap) - gap - 1).sum() / max(all_here.sum(), 1)
    steps = config["gradient_accumulation_steps"] if config["mode"] == "train" else 1
    return float(loss / len(mask) / steps), {}


def a2po(x: Case, _: Case, config: Case) -> Found:
    above = np.array(config["rewards"], float) - np.array(config["v_star"], float)
    implicit = config["beta2"] * total(x["logps"] - x["ref_logps"], x["mask"])
    return float(((implicit - above) ** 2).mean()), {
        "implicit_reward": float(implicit.mean()),
        "advantage": float(above.mean()),
    }


def pair_loss(kind: str, beta: float, d: Floats) -> Floats:
    return -log_sigmoid(beta * d) if kind == "sigmoid" else (d - 1 / (2 * beta)) ** 2


def online_dpo(x: Case, _: Case, config: Case) -> Found:
    prompts = int(x["B"])
    cost = (config["missing_eos_penalty"] or 0.0) * (x["contain_eos"] == 0)
    scores = x["rewards"] - cost
    p = total(x["logps"], x["mask"])
    u = p - total(x["ref_logps"], x["mask"])
    chosen, rejected = [], []
    for prompt in range(prompts):
        first, second = prompt, prompt + prompts
        better = scores[first] >= scores[second]
        chosen.append(first if better else second)
        rejected.append(second if better else first)
    loss = pair_loss(config["loss_type"], config["beta"], u[chosen] - u[rejected]).mean()
    told = compared(config["beta"] * u[chosen], config["beta"] * u[rejected], [p[chosen], p[rejected]])
    return float(loss), told | {
        "objective/scores": float(scores.mean()),
        "objective/scores_margin": float(
            np.mean([abs(scores[i] - scores[i + prompts]) for i in range(prompts)])
        ),
        "val/contain_eos_token": float(np.mean(x["contain_eos"] > 0)),
    }


def xpo(x: Case, _: Case, config: Case) -> Found:
    own, other = (total(x[f"{who}_logps"], x[f"{who}_mask"]) for who in ("model", "ref"))
    u = [p - total(x[f"{w}_ref_logps"], x[f"{w}_mask"]) for p, w in ((own, "model"), (other, "ref"))]
    sign = np.where(x["model_scores"] >= x["ref_scores"], 1.0, -1.0)
    dpo = pair_loss(config["loss_type"], config["beta"], sign * (u[0] - u[1])).mean()
    bonus = config["alpha"] * other.mean()
    return float(dpo + bonus), {"loss/dpo": float(dpo), "loss/xpo": float(bonus)}


def nash_md(x: Case, at: Case, config: Case) -> Found:
    """The KL term is a score function's: it is told without the log-probability that carries its gradient."""
    mask = x["model_mask"]
    p = total(x["model_logps"], mask)
    score = (sigmoid(x["model_scores"] - x["ref_scores"]) - 0.5) * p
    drift = np.where(mask > 0, at["model_logps"] - at["model_ref_logps"], 0.0)
    carried = total(drift * np.where(mask > 0, x["model_logps"], 0.0), mask)
    return float((config["beta"] * carried - score).mean()), {
        "loss/score": float(score.mean()),
        "loss/kl": float(drift.sum(axis=1).mean()),
    }


def rloo_advantages(rewards: Floats, mask: Floats, old: Floats, reference: Floats, config: Case) -> Floats:
    weights = np.array(config["reward_weights"] or [1.0] * rewards.shape[1])
    known = np.isfinite(rewards).any(axis=1)
    judged = np.nansum(rewards * weights, axis=1)
    if config["reward_clip_range"]:
        judged = np.clip(judged, *config["reward_clip_range"])
    judged = judged - config["beta"] * total(old - reference, mask)
    found, size = np.full(len(judged), np.nan), config["num_generations"]
    for row in range(len(judged)):
        start = row - row % size
        others = [one for one in range(start, start + size) if one != row and known[one]]
        if known[row] and others:
            found[row] = judged[row] - judged[others].mean()
    compared_rows = found[~np.isnan(found)]
    if config["normalize_advantages"] and len(compared_rows):
        spread = compared_rows.std(ddof=1) if len(compared_rows) > 1 else 0.0
        found = (found - compared_rows.mean()) / (spread + 1e-4)
    return np.nan_to_num(found)


def optimal_values(rewards: Floats, beta1: float) -> Floats:
    return beta1 * np.log(np.exp(np.asarray(rewards) / beta1).mean(axis=1))


LOSSES: dict[str, Callable[[Case, Case, Case], Found]] = {
    "rloo": rloo,
    "gmpo": gmpo,
    "a2po": a2po,
    "online_dpo": online_dpo,
    "xpo": xpo,
    "nash_md": nash_md,
}
