"""Preference losses by hand: DPO and its relatives, KTO, BCO, CPO, SimPO, AlphaPO, ORPO, TPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Case = dict[str, Any]
Floats = NDArray[Any]
Found = tuple[float, dict[str, float]]


def log_sigmoid(z: Any) -> Any:
    return -np.logaddexp(0.0, -np.asarray(z, np.float64))


def sigmoid(z: Any) -> Any:
    return np.exp(log_sigmoid(z))


def smoothed(z: Floats, wrong: float) -> Floats:
    return -(1 - wrong) * log_sigmoid(z) - wrong * log_sigmoid(-z)


def scored(values: Floats, mask: Floats) -> list[Floats]:
    """Of each row the values of its tokens."""
    return [row[chosen > 0] for row, chosen in zip(values, mask, strict=True)]


def total(values: Floats, mask: Floats) -> Floats:
    return np.array([row.sum() for row in scored(values, mask)])


def tokens(mask: Floats) -> Floats:
    return np.maximum((mask > 0).sum(axis=1), 1).astype(float)


def token_mean(values: Floats, mask: Floats) -> float:
    return float(total(values, mask).sum() / max((mask > 0).sum(), 1))


def desensitised(values: Floats, mask: Floats, other: Floats, alpha: float | None) -> Floats:
    """LD-DPO's sums: what stands behind the length of the pair's shorter answer counts `alpha`."""
    if alpha is None:
        return total(values, mask)
    found: list[float] = []
    for row, there in zip(scored(values, mask), (other > 0).sum(axis=1), strict=True):
        shared = min(len(row), int(there))
        found.append(row[:shared].sum() + alpha * row[shared:].sum())
    return np.array(found)


def f_score(u: Floats, kind: str, alpha: float) -> Floats:
    if kind == "forward_kl":
        return 1 - np.exp(-u)
    if kind == "js_divergence":
        return np.log(2) + log_sigmoid(u)
    if kind == "alpha_divergence" and alpha != 1:
        return (np.exp(np.minimum((alpha - 1) * u, 80)) - 1) / (alpha - 1)
    return u


def dpo(x: Case, at: Case, config: Case) -> Found:
    masks = x["chosen_mask"], x["rejected_mask"]
    sides = [(f"{name}_logps", mask) for name, mask in zip(("chosen", "rejected"), masks, strict=True)]
    p = [
        desensitised(x[name], m, o, config["ld_alpha"])
        for (name, m), o in zip(sides, masks[::-1], strict=True)
    ]
    r = [
        desensitised(x[f"ref_{name}"], m, o, config["ld_alpha"])
        for (name, m), o in zip(sides, masks[::-1], strict=True)
    ]
    u = [own - other for own, other in zip(p, r, strict=True)]
    weights = np.ones(len(p[0]))
    if config["use_weighting"]:
        for side, mask in zip(("chosen", "rejected"), masks, strict=True):
            gap = total(at[f"{side}_logps"] - at[f"{side}_log_sum_sq_probs"], mask)
            weights = weights * np.exp(gap / tokens(mask))
    loss = 0.0
    for name, weight in zip(
        config["loss_type"], config["loss_weights"] or [1.0] * len(config["loss_type"]), strict=True
    ):
        if name == "sft":
            loss += weight * token_mean(-x["chosen_logps"], masks[0])
        else:
            loss += weight * (pair_losses(name, p, r, u, masks, config) * weights).mean()
    beta = config["beta"]
    entropies = sum(
        total(x[f"{s}_entropies"], m).sum() for s, m in zip(("chosen", "rejected"), masks, strict=True)
    )
    return float(loss), compared(beta * u[0], beta * u[1], p) | {
        "entropy": entropies / max(sum((m > 0).sum() for m in masks), 1)
    }


def compared(chosen: Floats, rejected: Floats, p: list[Floats]) -> dict[str, float]:
    return {
        "rewards/chosen": float(chosen.mean()),
        "rewards/rejected": float(rejected.mean()),
        "rewards/margins": float((chosen - rejected).mean()),
        "rewards/accuracies": float((chosen > rejected).mean()),
        "logps/chosen": float(p[0].mean()),
        "logps/rejected": float(p[1].mean()),
    }


def pair_losses(
    name: str, p: list[Floats], r: list[Floats], u: list[Floats], masks: tuple[Floats, Floats], config: Case
) -> Floats:
    beta, wrong = config["beta"], config["label_smoothing"]
    s = [f_score(one, config["f_divergence_type"], config["f_alpha_divergence_coef"]) for one in u]
    z = beta * (s[0] - s[1])
    per_token = s[0] / tokens(masks[0]) - s[1] / tokens(masks[1])
    match name:
        case "sigmoid":
            return -log_sigmoid(z)
        case "sigmoid_norm":
            return -log_sigmoid(beta * per_token)
        case "hinge":
            return np.maximum(0, 1 - z)
        case "ipo":
            return (per_token - 1 / (2 * beta)) ** 2
        case "exo_pair":
            q = sigmoid(z)
            kl = q * (log_sigmoid(z) - np.log(1 - wrong))
            return kl + (1 - q) * (log_sigmoid(-z) - np.log(wrong))
        case "robust":
            return (-(1 - wrong) * log_sigmoid(z) + wrong * log_sigmoid(-z)) / (1 - 2 * wrong)
        case "nca_pair":
            chosen, rejected = beta * u[0], beta * u[1]
            return -log_sigmoid(chosen) - log_sigmoid(-chosen) / 2 - log_sigmoid(-rejected) / 2
        case "bco_pair":
            return -log_sigmoid(beta * u[0]) - log_sigmoid(-beta * u[1])
        case "sppo_hard":
            return (u[0] - 1 / (2 * beta)) ** 2 + (u[1] + 1 / (2 * beta)) ** 2
        case "aot":
            return smoothed(beta * (np.sort(p[0] - p[1]) - np.sort(r[0] - r[1])), wrong)
        case "aot_unpaired":
            return smoothed(beta * (np.sort(u[0]) - np.sort(u[1])), wrong)
        case "apo_zero":
            return 1 - sigmoid(beta * u[0]) + sigmoid(beta * u[1])
        case "apo_down":
            return sigmoid(beta * u[0]) + 1 - sigmoid(beta * (u[0] - u[1]))
        case "discopop":
            g = sigmoid(z / config["discopop_tau"])
            return (1 - g) * -log_sigmoid(z) + g * np.exp(np.minimum(-z, 700))
        case _:
            raise KeyError(name)


def margins(kind: str, d: Floats, beta: float, gamma: float, wrong: float) -> Floats:
    match kind:
        case "simpo" | "tpo-l":
            return smoothed(beta * (d - gamma / beta), wrong)
        case "hinge":
            return np.maximum(0, 1 - beta * d)
        case "ipo":
            return (d - 1 / (2 * beta)) ** 2
        case _:
            return smoothed(beta * d, wrong)


def sides_of(x: Case, *, per_token: bool) -> list[Floats]:
    p = [total(x[f"{side}_logps"], x[f"{side}_mask"]) for side in ("chosen", "rejected")]
    return (
        [one / tokens(x[f"{s}_mask"]) for one, s in zip(p, ("chosen", "rejected"), strict=True)]
        if per_token
        else p
    )


def cpo(x: Case, _: Case, config: Case) -> Found:
    kind, alpha, beta = config["loss_type"], config["alpha"], config["beta"]
    p = sides_of(x, per_token=kind in ("ipo", "simpo"))
    v = [one if alpha == 0 else (1 - np.exp(-alpha * one)) / alpha for one in p]
    nll = token_mean(-x["chosen_logps"], x["chosen_mask"])
    loss = margins(kind, v[0] - v[1], beta, config["simpo_gamma"], config["label_smoothing"]).mean()
    told = compared(beta * v[0], beta * v[1], p) | {"nll_loss": nll if config["cpo_alpha"] else 0.0}
    return float(loss + config["cpo_alpha"] * nll), told


def tpo(x: Case, _: Case, config: Case) -> Found:
    kind, beta = config["loss_type"], config["beta"]
    p = sides_of(x, per_token=kind in ("ipo", "tpo-l"))
    loss = margins(kind, p[0] - p[1], beta, config["tpo_l_gamma"], config["label_smoothing"]).mean()
    nll = token_mean(-x["gold_logps"], x["gold_mask"])
    return float(loss + config["tpo_alpha"] * nll), compared(beta * p[0], beta * p[1], p)


def orpo(x: Case, _: Case, config: Case) -> Found:
    p = sides_of(x, per_token=True)
    odds = p[0] - p[1] - (np.log(1 - np.exp(p[0])) - np.log(1 - np.exp(p[1])))
    read = total(x["prompt_logps"], x["prompt_mask"]).sum() + total(x["chosen_logps"], x["chosen_mask"]).sum()
    nll = -read / ((x["prompt_mask"] > 0).sum() + (x["chosen_mask"] > 0).sum())
    ratio = log_sigmoid(odds)
    told = {"nll_loss": nll, "log_odds_ratio": ratio.mean(), "log_odds_chosen": odds.mean()}
    rewards = config["beta"] * p[0], config["beta"] * p[1]
    return float(nll - config["beta"] * ratio.mean()), compared(*rewards, p) | told


def kto(x: Case, at: Case, config: Case) -> Found:
    beta = config["beta"]
    gap = total(at["kl_logps"], at["kl_mask"]) - total(at["kl_ref_logps"], at["kl_mask"])
    kl = max(0.0, float(gap.mean())) if config["loss_type"] == "kto" else 0.0
    p = total(x["logps"], x["mask"])
    u = p - total(x["ref_logps"], x["mask"])
    good = x["label"] > 0
    each = np.where(
        good,
        config["desirable_weight"] * (1 - sigmoid(beta * (u - kl))),
        config["undesirable_weight"] * (1 - sigmoid(beta * (kl - u))),
    )
    told = {"kl": kl}
    for name, rows in (("chosen", good), ("rejected", ~good)):
        if rows.any():
            told |= {f"rewards/{name}": float(beta * u[rows].mean()), f"logps/{name}": float(p[rows].mean())}
    if good.any() and not good.all():
        told["rewards/margins"] = told["rewards/chosen"] - told["rewards/rejected"]
    return float(each.mean()), told


def bco(x: Case, at: Case, config: Case) -> Found:
    beta, before = config["beta"], config["running_count"]
    now = beta * (total(at["logps"], at["mask"]) - total(at["ref_logps"], at["mask"]))
    delta = (config["running_mean"] * before + now.sum()) / (before + len(now))
    reward = beta * (total(x["logps"], x["mask"]) - total(x["ref_logps"], x["mask"]))
    each = np.where(x["label"] > 0, -log_sigmoid(reward - delta), -log_sigmoid(delta - reward))
    return float(each.mean()), {"delta": float(delta)}


LOSSES: dict[str, Callable[[Case, Case, Case], Found]] = {
    "dpo": dpo,
    "cpo": cpo,
    "tpo": tpo,
    "orpo": orpo,
    "kto": kto,
    "bco": bco,
}
