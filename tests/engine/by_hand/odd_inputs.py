"""Inputs on which losses are got wrong: odd sizes, one token, nothing at all, equal sides, far apart, all labels alike.

As in the golden vectors padding holds garbage, and numbers are exact in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tests.engine.by_hand.preference import Case, Floats

#: far from the reference by so many nats a token
FAR = 8.0


def exact(values: Floats) -> Floats:
    return np.round(values * 1024) / 1024


class Draw:
    """Arrays of one input set, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def mask(self, lengths: Sequence[int], width: int) -> Floats:
        return (np.arange(width)[None] < np.asarray(lengths)[:, None]).astype(float)

    def logps(self, rows: int, width: int) -> Floats:
        return exact(-self.random.exponential(1.2, (rows, width)) - 0.01)

    def near(self, values: Floats, drift: float) -> Floats:
        """Of another model: never above 0."""
        return exact(np.minimum(values + self.random.normal(0, drift, values.shape), -0.001))

    def lengths(self, rows: int, width: int, least: int = 1) -> list[int]:
        return self.random.integers(least, width + 1, rows).tolist()


def pairs(seed: int, chosen: Sequence[int], rejected: Sequence[int], *, drift: float = 0.4) -> Case:
    """Pairs with answers of these lengths, which may be 0, and a gold answer each."""
    draw, rows = Draw(seed), len(chosen)
    width = max(*chosen, *rejected, 1) + 1
    x: Case = {"B": rows, "T": width}
    for side, lengths in (("chosen", chosen), ("rejected", rejected)):
        own = draw.logps(rows, width)
        x |= {f"{side}_mask": draw.mask(lengths, width), f"{side}_logps": own}
        x |= {
            f"ref_{side}_logps": draw.near(own, drift),
            f"{side}_entropies": exact(-draw.logps(rows, width)),
        }
        x[f"{side}_log_sum_sq_probs"] = draw.near(own, 0.5)
    x |= {"prompt_mask": draw.mask(draw.lengths(rows, 4), 4), "prompt_logps": draw.logps(rows, 4)}
    return x | {
        "gold_mask": draw.mask(draw.lengths(rows, width), width),
        "gold_logps": draw.logps(rows, width),
    }


def odd_pairs() -> dict[str, Case]:
    same = pairs(5, [3, 1, 6], [3, 1, 6])
    for name in ("mask", "logps", "log_sum_sq_probs", "entropies"):
        same[f"rejected_{name}"] = same[f"chosen_{name}"]
    same["ref_rejected_logps"] = same["ref_chosen_logps"]
    return {
        "seven of odd lengths": pairs(1, [1, 9, 4, 2, 7, 5, 3], [8, 1, 4, 6, 2, 9, 1]),
        "one of one token": pairs(2, [1], [1]),
        "two, one side always longer": pairs(3, [2, 1], [11, 13]),
        "far from the reference": pairs(4, [6, 3, 8], [7, 5, 2], drift=FAR),
        "chosen is rejected": same,
        "nothing was answered": pairs(6, [0, 4, 2], [3, 0, 5]),
        "nothing at all": pairs(7, [0], [0]),
    }


def verdicts(seed: int, lengths: Sequence[int], labels: Sequence[int], *, drift: float = 0.4) -> Case:
    draw, rows, width = Draw(seed), len(lengths), max(*lengths, 1) + 1
    own, other = draw.logps(rows, width), draw.logps(rows, width + 2)
    return {
        "B": rows,
        "T": width,
        "mask": draw.mask(lengths, width),
        "logps": own,
        "ref_logps": draw.near(own, drift),
        "label": np.asarray(labels, float),
        "kl_mask": draw.mask(draw.lengths(rows, width + 2, 0), width + 2),
        "kl_logps": other,
        "kl_ref_logps": draw.near(other, drift),
    }


def odd_verdicts() -> dict[str, Case]:
    return {
        "seven, unbalanced": verdicts(11, [1, 5, 3, 8, 2, 6, 4], [1, 0, 0, 0, 1, 0, 0]),
        "all good": verdicts(12, [4, 1, 3], [1, 1, 1]),
        "all bad": verdicts(13, [2, 6, 1, 1, 3], [0, 0, 0, 0, 0]),
        "one of one token": verdicts(14, [1], [1]),
        "an empty answer": verdicts(15, [0, 3, 0], [1, 0, 0]),
        "far from the reference": verdicts(16, [5, 7], [1, 0], drift=FAR),
    }


def sampled(seed: int, lengths: Sequence[int], advantages: Sequence[float], *, drift: float = 0.3) -> Case:
    draw, rows, width = Draw(seed), len(lengths), max(*lengths, 1) + 1
    own, mask = draw.logps(rows, width), draw.mask(lengths, width)
    tools = (draw.random.random((rows, width)) < 0.7).astype(float)
    return {
        "B": rows,
        "T": width,
        "mask": mask,
        "tool_mask": tools,
        "logps": own,
        "old_logps": draw.near(own, drift),
        "ref_logps": draw.near(own, drift),
        "entropies": exact(-draw.logps(rows, width)),
        "advantages": np.asarray(advantages, float),
    }


def odd_samples() -> dict[str, Case]:
    return {
        "five of odd lengths": sampled(21, [1, 7, 3, 9, 2], [1.25, -0.5, 0.75, -1.5, 0.25]),
        "one of one token": sampled(22, [1], [-0.75]),
        "nothing to learn": sampled(23, [4, 2, 5], [0.0, 0.0, 0.0]),
        "empty ones": sampled(24, [0, 6, 0, 1], [1.0, -1.0, -0.5, 0.5]),
        "far from the sampler": sampled(25, [5, 8], [1.0, -1.0], drift=2.0),
    }


def two_samples(seed: int, lengths: Sequence[int], rewards: Sequence[float], ended: Sequence[int]) -> Case:
    draw, rows, width = Draw(seed), len(lengths), max(*lengths, 1) + 1
    own = draw.logps(rows, width)
    return {
        "B": rows // 2,
        "T": width,
        "mask": draw.mask(lengths, width),
        "logps": own,
        "ref_logps": draw.near(own, 0.4),
        "rewards": np.asarray(rewards, float),
        "contain_eos": np.asarray(ended, float),
    }


def odd_two_samples() -> dict[str, Case]:
    return {
        "three prompts": two_samples(31, [1, 5, 2, 7, 3, 4], [1, 0.5, 0, 0.25, 0.5, 1], [1, 0, 1, 1, 1, 0]),
        "all ties": two_samples(32, [2, 3, 1, 4], [1, 0, 1, 0], [1, 1, 1, 1]),
        "a tie by the penalty": two_samples(33, [3, 2], [1, 0.75], [0, 1]),
        "none ended, one empty": two_samples(34, [0, 6], [0, 0], [0, 0]),
    }


def explored(seed: int, own: Sequence[int], other: Sequence[int], scores: Sequence[float]) -> Case:
    draw, rows = Draw(seed), len(own)
    width = max(*own, *other, 1) + 1
    x: Case = {"B": rows, "T": width}
    for who, lengths in (("model", own), ("ref", other)):
        logps = draw.logps(rows, width)
        x |= {f"{who}_mask": draw.mask(lengths, width), f"{who}_logps": logps}
        x[f"{who}_ref_logps"] = draw.near(logps, 0.4)
    found = np.asarray(scores, float)
    return x | {"model_scores": found[:rows], "ref_scores": found[rows:]}


def odd_explored() -> dict[str, Case]:
    return {
        "three prompts": explored(41, [4, 1, 7], [2, 6, 1], [1, 0, 0.5, 0.25, 0.75, 0.5]),
        "one of one token, a tie": explored(42, [1], [1], [0.5, 0.5]),
        "empty ones": explored(43, [0, 3], [5, 0], [2, -2, -2, 2]),
    }


def taught(seed: int, lengths: Sequence[int], vocabulary: int, *, sharp: float = 1.5) -> Case:
    draw, rows, width = Draw(seed), len(lengths), max(*lengths, 1) + 1
    shape = (rows, width, vocabulary)
    own = exact(draw.random.normal(0, sharp, shape))
    ids = draw.random.integers(0, vocabulary, shape[:2])
    old = draw.near(draw.logps(rows, width), 0.3)
    return {
        "B": rows,
        "T": width,
        "V": vocabulary,
        "mask": draw.mask(lengths, width),
        "student_logits": own,
        "teacher_logits": exact(own + draw.random.normal(0, 0.7, shape)),
        "completion_ids": ids.astype(float),
        "old_logps": old,
        "rollout_logps": draw.near(old, 0.3),
        "advantages": exact(draw.random.normal(0, 1, rows)),
        "self_distillation_mask": (np.arange(rows) % 2 == 0).astype(float),
    }


def odd_lessons() -> dict[str, Case]:
    equal = taught(55, [3, 2], 7)
    equal["teacher_logits"] = equal["student_logits"]
    return {
        "five of odd lengths": taught(51, [1, 6, 3, 5, 2], 11),
        "one of one token": taught(52, [1], 3),
        "sharp": taught(53, [4, 2, 3], 9, sharp=6.0),
        "empty ones": taught(54, [0, 3, 0], 5),
        "the teacher says the same": equal,
    }


def two_tokenizers(seed: int, text: int, prompts: tuple[int, int]) -> Case:
    """A text of so many bytes that both tokenizers cut as they like, behind prompts of some tokens; an end of no bytes."""
    draw = Draw(seed)
    x: Case = {}
    for side, before, vocabulary in zip(("student", "teacher"), prompts, (9, 11), strict=True):
        inner = np.flatnonzero(draw.random.random(text - 1) < 0.5) + 1
        cuts = [0, *inner.tolist(), text]
        spans = [*pairwise(cuts), (text, text)]
        offsets = [(-1, -1)] * before + spans
        scored = [0.0] * before + [1.0] * len(spans)
        x[f"{side}_logits"] = exact(draw.random.normal(0, 1.5, (1, len(offsets), vocabulary)))
        x[f"{side}_ids"] = draw.random.integers(0, vocabulary, (1, len(offsets))).astype(float)
        x |= {f"{side}_loss_mask": np.array([scored]), f"{side}_byte_offsets": np.array([offsets], float)}
    return x


def odd_texts() -> dict[str, Case]:
    return {
        "twelve bytes": two_tokenizers(61, 12, (3, 1)),
        "one byte": two_tokenizers(62, 1, (1, 2)),
        "five bytes": two_tokenizers(63, 5, (2, 4)),
        "thirty bytes": two_tokenizers(64, 30, (1, 1)),
    }
