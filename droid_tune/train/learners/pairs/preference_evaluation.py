"""Held-out preferences: how often the model tells the better answer, and what the loss is."""

from __future__ import annotations

import time

import mlx.core as mx
import numpy as np

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Totals
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.learners.pairs.beforehand import Beforehand
from droid_tune.train.learners.pairs.judged_rows import JudgedRows, judged_rows_of
from droid_tune.train.learners.pairs.pair_recipes import Floats, Known, PairRecipe
from droid_tune.train.learners.pairs.unit_loss import unit_loss
from droid_tune.train.rows.row_reader import readable
from droid_tune.train.training_session import TrainingSession


def evaluate_preferences(
    session: TrainingSession, recipe: PairRecipe, before: Beforehand, step: int
) -> Evaluated | None:
    """Loss, rewards and preference accuracy over held-out rows; None where there are none."""
    count = min(session.config.evaluation.rows, len(session.valid))
    if not count:
        return None
    start = time.perf_counter()
    found: list[dict[str, float]] = []
    sizes: list[int] = []
    size = max(2, session.config.training.batch_size)
    for first in range(0, count, size):
        session.pause_point()
        session.phase("evaluate", step, first, count, "rows")
        places = range(first, min(first + size, count))
        units = [unit for one in readable(session.valid, places, session.reader.judged) for unit in one]
        if units:
            judged = judged_rows_of(units, learns_prompt=before.method.learns_prompt, at_end=recipe.numbers)
            found.append(_of_batch(recipe, before, judged))
            sizes.append(len(units))
    if not found:
        return None
    means = _weighted_means(found, sizes)
    if means.get("rewards/margins") == 0.0:  # still the reference itself: none is preferred
        means.pop("rewards/accuracies", None)
    metrics = {f"eval/{name}": value for name, value in means.items()}
    return Evaluated(metrics, count, time.perf_counter() - start)


def _of_batch(recipe: PairRecipe, before: Beforehand, judged: JudgedRows) -> dict[str, float]:
    """The metrics of one batch as training reports them, its loss, and which answers are the likelier ones."""
    everyone = np.arange(len(judged.units))
    logprobs, *entropies = before.scores(judged, everyone, with_entropy=True)
    arrays = before.fixed(judged, before.held_out)
    numbers: dict[str, float] = {}
    if recipe.divergence:
        numbers["kl"] = before.divergence(judged.units)
    if recipe.threshold:
        numbers["delta"] = before.rewards.mean
    tokens = 0.0 if recipe.imitated is None else judged.tokens_of(recipe.imitated)
    value, sums = unit_loss(
        recipe,
        PairBatch(float(len(judged.units)), tokens),
        judged,
        everyone,
        Known(numbers, arrays),
        mx.array(logprobs),
        mx.array(entropies[0]) if entropies else None,
    )
    parts: list[Totals] = [sums]
    told = recipe.finish(parts, tokens) | {"loss": float(np.array(value))}
    return told | numbers | likelier(judged, logprobs)


def likelier(judged: JudgedRows, logprobs: Floats) -> dict[str, float]:
    """How often the chosen answer is the likelier one per token: what a model prefers, whatever its reference; of a reward
    model, the one with the higher number. {} where no answers are compared."""
    if judged.answers < 2:
        return {}
    mask = judged.answer_mask
    means = (logprobs * mask).sum(axis=1) / mask.sum(axis=1)
    return {"preference_accuracy": float(np.mean(means[:: judged.answers] > means[1 :: judged.answers]))}


def _weighted_means(found: list[dict[str, float]], sizes: list[int]) -> dict[str, float]:
    """Each metric's mean over the batches that have it, by their sizes."""
    names = dict.fromkeys(name for one in found for name in one)
    means: dict[str, float] = {}
    for name in names:
        having = [(one[name], size) for one, size in zip(found, sizes, strict=True) if name in one]
        means[name] = float(np.average([v for v, _ in having], weights=[s for _, s in having]))
    return means
