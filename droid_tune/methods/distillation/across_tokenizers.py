"""A teacher with another tokenizer: sorted probabilities compared where both texts are cut at the same byte (ULD, GOLD).

Universal logit distillation (arXiv 2402.12030) with the groups and the hybrid of GOLD
(huggingface.co/spaces/HuggingFaceH4/general-on-policy-logit-distillation). One row at a time.

Shapes: S and S' answer tokens, V and V' vocabularies of student and teacher, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from droid_tune.methods.distillation.divergence import pointwise
from droid_tune.names import MergeStrategy

Group = tuple[list[int], list[int]]
Offsets = Sequence[Sequence[float]]

#: the least probability: of a token inside a group, and of what is compared directly
LEAST_PROBABILITY = 1e-8


@dataclass(frozen=True)
class Uld:
    """How two vocabularies are compared.

    `matched`: pairs [teacher id, student id] of tokens spelt alike, whose probabilities are compared directly by the
    divergence of `beta`, the others sorted; None sorts all. The two parts weigh by the matched share of the teacher's
    vocabulary, or as given.
    """

    strategy: MergeStrategy = "bayesian"
    beta: float = 0.5
    matched: Sequence[Sequence[int]] | None = None
    matched_weight: float | None = None
    unmatched_weight: float | None = None


def aligned_groups(student: Offsets, teacher: Offsets) -> list[Group]:
    """Positions of both sides between the bytes at which both have an end; offsets are (start, end) of each token."""
    groups: list[Group] = []
    own = other = begun = others_begun = 0
    while own < len(student) and other < len(teacher):
        end, others_end = student[own][1], teacher[other][1]
        own, other = own + (end <= others_end), other + (others_end <= end)
        if end == others_end:
            groups.append((list(range(begun, own)), list(range(others_begun, other))))
            begun, others_begun = own, other
    rest = (list(range(begun, len(student))), list(range(others_begun, len(teacher))))
    unfinished = own < len(student) or other < len(teacher)
    return [*groups, rest] if unfinished and rest[0] and rest[1] else groups


def merged(
    probabilities: mx.array, groups: Sequence[Sequence[int]], ids: mx.array, strategy: MergeStrategy
) -> mx.array:
    """One distribution (G, V) per group, not normalised, from those of its positions (S, V) and the tokens' `ids` (S,)."""
    if strategy == "bayesian":
        base, others = [group[-1] for group in groups], [group[:-1] for group in groups]
    else:
        base, others = [group[0] for group in groups], [group[1:] for group in groups]
    found = probabilities[mx.array(base)]
    places = [place for group in others for place in group]
    if not places:
        return found
    owners = [number for number, group in enumerate(others) for _ in group]
    index = mx.array(places)
    chosen = mx.take_along_axis(probabilities[index], ids[index][:, None], axis=-1)[:, 0]
    logs = mx.log(mx.maximum(chosen, LEAST_PROBABILITY))
    return found * mx.exp(mx.zeros(len(groups)).at[mx.array(owners)].add(logs))[:, None]


def uld_loss(uld: Uld, student: mx.array, teacher: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
    """The distance of merged distributions (G, V) and (G, V'), a mean over groups; and its two parts, where it has two."""
    if uld.matched is None:
        return _sorted_distance(student, teacher), {}
    pairs = mx.array(np.asarray(uld.matched, np.int32).reshape(-1, 2))
    matched = mx.array(0.0)
    if len(uld.matched):
        own, other = student[:, pairs[:, 1]], teacher[:, pairs[:, 0]]
        terms, _ = pointwise(_logs(own), _logs(other), uld.beta, mx.exp)
        matched = terms.sum() / student.shape[0]
    unmatched = _sorted_distance(_without(student, pairs[:, 1]), _without(teacher, pairs[:, 0]))
    share = len(uld.matched) / max(1, teacher.shape[-1])
    weights = (share, 1.0 - share)
    if uld.matched_weight is not None and uld.unmatched_weight is not None:
        weights = (uld.matched_weight, uld.unmatched_weight)
    loss = weights[0] * matched + weights[1] * unmatched
    return loss, {
        "matched_loss": mx.stop_gradient(matched),
        "unmatched_loss": mx.stop_gradient(unmatched),
    }


def _logs(probabilities: mx.array) -> mx.array:
    return mx.log(mx.maximum(probabilities, LEAST_PROBABILITY))


def _sorted_distance(student: mx.array, teacher: mx.array) -> mx.array:
    """Sum of |sorted P - sorted Q| over the vocabulary, the shorter padded with 0, a mean over groups."""
    width = max(student.shape[-1], teacher.shape[-1])
    if not student.shape[-1] or not teacher.shape[-1]:
        return mx.array(0.0)
    return mx.abs(_descending(student, width) - _descending(teacher, width)).sum() / student.shape[0]


def _descending(values: mx.array, width: int) -> mx.array:
    ordered = -mx.sort(-values, axis=-1)
    return mx.pad(ordered, [(0, 0), (0, width - values.shape[-1])])


def _without(values: mx.array, ids: mx.array) -> mx.array:
    """The other columns."""
    gone = set(ids.tolist())  # pyright: ignore[reportArgumentType]
    kept = [column for column in range(values.shape[-1]) if column not in gone]
    return values[:, mx.array(kept, dtype=mx.int32)]
