"""Losses under a teacher by hand: divergences, supports, SDFT, SDPO, IW-OPD, ULD, MiniLLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.engine.by_hand.preference import Case, Floats, Found, tokens


def log_softmax(logits: Floats) -> Floats:
    top = logits - logits.max(axis=-1, keepdims=True)
    return top - np.log(np.exp(top).sum(axis=-1, keepdims=True))


def kl(p: Floats, q: Floats) -> float:
    """Sum of p log(p/q) of log-probabilities."""
    return float((np.exp(p) * (p - q)).sum())


def jensen_shannon(own: Floats, teacher: Floats, beta: float) -> float:
    """Of log-probabilities over the same categories, which need not sum to 1."""
    if beta == 0:
        return kl(teacher, own)
    if beta == 1:
        return kl(own, teacher)
    middle = np.log(beta * np.exp(teacher) + (1 - beta) * np.exp(own))
    return beta * kl(teacher, middle) + (1 - beta) * kl(own, middle)


def on_support(own: Floats, teacher: Floats, ids: Sequence[int], beta: float, *, tail: bool) -> float:
    """One token's divergence over some of the vocabulary: what is left as one category more, or left out and rescaled."""
    kept = list(dict.fromkeys(ids))
    pair = [own[kept], teacher[kept]]
    if tail:
        rest = [np.log(-np.expm1(min(np.log(np.exp(one).sum()), -1e-7))) for one in pair]
        pair = [np.append(one, more) for one, more in zip(pair, rest, strict=True)]
    else:
        pair = [one - np.log(np.exp(one).sum()) for one in pair]
    return jensen_shannon(pair[0], pair[1], beta)


def best(logits: Floats, count: int) -> list[int]:
    return np.argsort(-logits, kind="stable")[:count].tolist()


def support(student: Floats, teacher: Floats, top_k: int, beta: float, whose: str) -> list[int]:
    if whose == "student" or beta == 1:
        return best(student, top_k)
    if beta == 0:
        return best(teacher, top_k)
    return [*best(teacher, top_k), *best(student, top_k)]


Measure = Callable[[Floats, Floats, int, Floats, Floats], float]


def each_token(x: Case, at: Case, mask: Floats, temperature: float, measure: Measure) -> Floats:
    """`measure(own, teacher, sampled id, student's logits at `at`, teacher's logits)` of each token; (B, T)."""
    found = np.zeros(mask.shape)
    for row, place in zip(*np.nonzero(mask > 0), strict=True):
        student, teacher = (x[f"{who}_logits"][row, place] / temperature for who in ("student", "teacher"))
        fixed = at["student_logits"][row, place] / temperature
        token = int(x["completion_ids"][row, place])
        found[row, place] = measure(log_softmax(student), log_softmax(teacher), token, fixed, teacher)
    return found


def distillation(x: Case, at: Case, config: Case) -> Found:
    found = each_token(
        x,
        at,
        x["mask"],
        config.get("temperature", 1.0),
        lambda own, teacher, *_: jensen_shannon(own, teacher, config.get("beta", 1.0)),
    )
    return float(found.sum() / (config.get("num_items_in_batch") or max(x["mask"].sum(), 1))), {}


def topk_jsd(x: Case, at: Case, config: Case) -> Found:
    beta = config["beta"]

    def measure(own: Floats, teacher: Floats, _: int, fixed: Floats, logits: Floats) -> float:
        ids = support(fixed, logits, config["loss_top_k"], beta, "beta")
        return on_support(own, teacher, ids, beta, tail=config["loss_add_tail"])

    found = each_token(x, at, x["mask"], config["temperature"], measure)
    return float(found.sum() / (config["num_items_in_batch"] or max(x["mask"].sum(), 1))), {}


def server_distillation(x: Case, at: Case, config: Case) -> Found:
    beta = config["beta"]

    def measure(own: Floats, teacher: Floats, token: int, _: Floats, logits: Floats) -> float:
        reported = best(logits, config["loss_top_k"])
        ids = reported if beta == 0 else [token] if beta == 1 else [reported[0], token]
        return on_support(own, teacher, ids, beta, tail=config["loss_add_tail"])

    found = each_token(x, at, x["mask"], config["temperature"], measure)
    return float(found.sum() / max(x["mask"].sum(), 1)), {}


def sampled(x: Case, who: str, mask: Floats, temperature: float) -> Floats:
    """(B, T): log-probabilities of the completion's tokens, 0 elsewhere."""
    found = np.zeros(mask.shape)
    for row, place in zip(*np.nonzero(mask > 0), strict=True):
        logits = x[f"{who}_logits"][row, place] / temperature
        found[row, place] = log_softmax(logits)[int(x["completion_ids"][row, place])]
    return found


def iw_opd(x: Case, at: Case, config: Case) -> Found:
    mask, temperature = x["mask"], config["temperature"]
    own, fixed = (sampled(one, "student", mask, temperature) for one in (x, at))
    old = np.where(mask > 0, x["rollout_logps"], 0.0) if config["rollout"] else fixed
    gap = sampled(x, "teacher", mask, temperature) - old
    loss, weights = 0.0, []
    for row in range(len(mask)):
        here = mask[row] > 0
        size = np.abs(gap[row][here])
        before = np.concatenate([[0.0], np.cumsum(size)[:-1]]) if here.any() else size
        weight = 1 + config["iw_opd_gamma"] * (1 - before / max(size.sum(), 1e-8))
        loss -= (weight * gap[row][here] * own[row][here]).sum()
        weights += weight.tolist()
    count = config["num_items_in_batch"] or max(mask.sum(), 1)
    told = {
        "iw_opd/mean_abs_advantage": float(np.abs(gap).sum() / max(mask.sum(), 1)),
        "iw_opd/mean_weight": float(np.mean(weights)),
        "iw_opd/min_weight": min(weights),
        "iw_opd/max_weight": max(weights),
    }
    return float(loss / count), told


def self_distilled(x: Case, at: Case, mask: Floats, config: Case) -> tuple[float, float]:
    """The loss, and the mean of the tokens' own: rows' token means, over all rows, a masked one counting 0."""
    mode, alpha, temperature = (
        config["distillation_mode"],
        config["distillation_alpha"],
        config["temperature"],
    )

    def measure(own: Floats, teacher: Floats, token: int, fixed: Floats, logits: Floats) -> float:
        if mode == "sampled_token":
            return (log_softmax(fixed)[token] - teacher[token]) * own[token]
        if mode == "full_logits":
            return jensen_shannon(own, teacher, alpha)
        ids = support(fixed, logits, config["distillation_topk"], alpha, "student")
        return on_support(own, teacher, ids, alpha, tail=config["distillation_add_tail"])

    found = each_token(x, at, mask, temperature, measure)
    if config["old"] and config["distillation_is_clip"] is not None:
        moved = sampled(at, "student", mask, temperature) - np.where(mask > 0, x["old_logps"], 0.0)
        found = found * np.minimum(np.exp(np.clip(moved, -20, 20)), config["distillation_is_clip"])
    rows = found.sum(axis=1) / tokens(mask)
    loss = rows.mean() / config["gradient_accumulation_steps"]
    return float(loss), float(found.sum() / max(mask.sum(), 1))


def sdft(x: Case, at: Case, config: Case) -> Found:
    learnt = np.arange(x["mask"].shape[1]) >= config["num_loss_tokens_to_skip"]
    loss, told = self_distilled(x, at, x["mask"] * learnt, config)
    return loss, {"self_distillation/distillation_loss": told}


def sdpo(x: Case, at: Case, config: Case) -> Found:
    mask = x["mask"]
    taught = mask * x["self_distillation_mask"][:, None] if config["use_self_distillation_mask"] else mask
    loss, told = self_distilled(x, at, taught, config)
    weight = config["distillation_weight"]
    policy = policy_term(x, at, config) / config["gradient_accumulation_steps"]
    return weight * loss + (1 - weight) * policy, {"self_distillation/distillation_loss": told}


def policy_term(x: Case, at: Case, config: Case) -> float:
    mask = x["mask"]
    own, fixed = (sampled(one, "student", mask, config["temperature"]) for one in (x, at))
    moved = own - (np.where(mask > 0, x["old_logps"], 0.0) if config["old"] else fixed)
    if config["importance_sampling_level"] == "sequence":
        moved = np.repeat((moved.sum(axis=1) / tokens(mask))[:, None], mask.shape[1], axis=1)
    ratio, advantage = np.exp(moved), x["advantages"][:, None]
    each = -np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage) * mask
    match config["loss_type"]:
        case "grpo":
            return float((each.sum(axis=1) / tokens(mask)).mean())
        case "dr_grpo":
            return float(each.sum() / (len(mask) * config["max_completion_length"]))
        case _:
            return float(each.sum() / max(mask.sum(), 1))


def minillm(x: Case, at: Case, _: Case) -> Found:
    return distillation(x, at, {"beta": 1.0})


def minillm_advantages(x: Case, gamma: float, *, by_length: bool) -> Floats:
    mask = x["mask"]
    gap = sampled(x, "teacher", mask, 1.0) - sampled(x, "student", mask, 1.0)
    found = np.zeros(mask.shape)
    for row, place in zip(*np.nonzero(mask > 0), strict=True):
        later = range(place, mask.shape[1])
        discounts = [1.0 if gamma == 0 and k == place else gamma**k for k in later]
        value = sum(d * gap[row, k] for d, k in zip(discounts, later, strict=True))
        if by_length and gamma:
            value /= sum(d * (1.0 if mask[row, k] else 1e-4) for d, k in zip(discounts, later, strict=True))
        found[row, place] = value
    return found


def gold_uld(x: Case, _: Case, config: Case) -> Found:
    """Both sides' distributions where their texts are cut at the same byte."""
    chances: dict[str, list[Floats]] = {}
    ends: dict[str, list[int]] = {}
    for side in ("student", "teacher"):
        places = np.flatnonzero(x[f"{side}_loss_mask"][0] > 0)
        places = places[: len(places) - int(config[f"skip_{side}_eos"])]
        late = config["token_merge_strategy"] == "observed"
        chances[side] = [
            np.exp(log_softmax(x[f"{side}_logits"][0, p if late else p - 1] / config[f"{side}_temperature"]))
            for p in places
        ]
        ends[side] = [int(x[f"{side}_byte_offsets"][0][p][1]) for p in places]
        chances[f"{side} ids"] = x[f"{side}_ids"][0][places].astype(int)
    if config["use_extended_uld"]:
        groups = cut_together(ends["student"], ends["teacher"])
    else:
        groups = [([n], [n]) for n in range(min(len(ends["student"]), len(ends["teacher"])))]
    pairs = [
        tuple(
            of_group(chances[side], chances[f"{side} ids"], group[number], config["token_merge_strategy"])
            for number, side in enumerate(("student", "teacher"))
        )
        for group in groups
    ]
    loss = uld(pairs, config)
    if config["crossentropy_weight"]:
        learnt = np.flatnonzero(x["student_loss_mask"][0] > 0)
        logs = [log_softmax(x["student_logits"][0, p - 1])[int(x["student_ids"][0][p])] for p in learnt]
        return config["distillation_weight"] * loss - config["crossentropy_weight"] * float(np.mean(logs)), {}
    return config["distillation_weight"] * loss, {}


def cut_together(student: list[int], teacher: list[int]) -> list[tuple[list[int], list[int]]]:
    """Walks along both texts; a group ends where both have a token's end."""
    groups: list[tuple[list[int], list[int]]] = []
    open_group: tuple[list[int], list[int]] = ([], [])
    s = t = 0
    while s < len(student) and t < len(teacher):
        first, second = student[s], teacher[t]
        if first <= second:
            open_group[0].append(s)
            s += 1
        if second <= first:
            open_group[1].append(t)
            t += 1
        if first == second:
            groups.append(open_group)
            open_group = ([], [])
    open_group[0].extend(range(s, len(student)))
    open_group[1].extend(range(t, len(teacher)))
    return [*groups, open_group] if open_group[0] and open_group[1] else groups


def of_group(chances: list[Floats], ids: Floats, group: list[int], strategy: str) -> Floats:
    *before, last = group
    first, *after = group
    base, others = (last, before) if strategy == "bayesian" else (first, after)
    factor = np.prod([max(chances[place][ids[place]], 1e-8) for place in others])
    return chances[base] * factor


def sorted_distance(p: Floats, q: Floats) -> float:
    if not len(p) or not len(q):
        return 0.0
    width = max(len(p), len(q))
    ordered = [np.pad(np.sort(one)[::-1], (0, width - len(one))) for one in (p, q)]
    return float(np.abs(ordered[0] - ordered[1]).sum())


def uld(pairs: Sequence[tuple[Floats, ...]], config: Case) -> float:
    if not config["hybrid"]:
        return float(np.mean([sorted_distance(own, other) for own, other in pairs]))
    matched = [(int(t), int(s)) for t, s in config["matched"]]
    direct, apart = 0.0, 0.0
    for own, other in pairs:
        if matched:
            logs = [
                np.log(np.maximum(side, 1e-8))
                for side in (own[[s for _, s in matched]], other[[t for t, _ in matched]])
            ]
            direct += jensen_shannon(logs[0], logs[1], config["beta"])
        rest = [
            np.delete(side, ids)
            for side, ids in ((own, [s for _, s in matched]), (other, [t for t, _ in matched]))
        ]
        apart += sorted_distance(rest[0], rest[1])
    weights = config["hybrid_matched_weight"], config["hybrid_unmatched_weight"]
    if weights[0] is None:
        share = len(matched) / max(1, len(pairs[0][1]))
        weights = share, 1 - share
    return (weights[0] * direct + weights[1] * apart) / len(pairs)


LOSSES: dict[str, Callable[[Case, Case, Case], Found]] = {
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
