"""Greedy answers to held-out rows: the honest measure of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from droid_tune.config.rewards import AccuracyReward
from droid_tune.methods.advantages import weighted_totals
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.train.row_reader import readable
from droid_tune.train.sampler import Sampled, complete

if TYPE_CHECKING:
    from droid_tune.train.score import Judge
    from droid_tune.train.training_session import TrainingSession

#: held-out groups told to whoever watches, per evaluation
SHOWN_ROWS = 16


@dataclass(frozen=True)
class Evaluated:
    """Metrics by catalogue name over `rows` held-out rows."""

    metrics: dict[str, float]
    rows: int
    seconds: float


def evaluate_by_reward(session: TrainingSession, judge: Judge, step: int) -> Evaluated | None:
    """One greedy completion for each held-out prompt: accuracy against the answers, and every reward."""
    count = min(session.config.evaluation.rows, len(session.valid))
    if not count:
        return None
    start = time.perf_counter()
    sampled = _greedy(session, step, count)
    judged = judge.score(step, sampled, group_size=1)
    judge.tell(step, _first(sampled, SHOWN_ROWS), judged, None, held_out=True)
    metrics = _reward_metrics(judged.table, judged.names, judged.weights)
    metrics |= _accuracy(session, sampled, judged.table)
    lengths = sampled.rollout.completion_mask.sum(axis=1)
    metrics["eval/completion_length"] = float(lengths.mean())
    metrics["eval/clipped_ratio"] = float(
        np.mean([reason == "length" for reason in sampled.rollout.finish_reasons])
    )
    return Evaluated(metrics, count, time.perf_counter() - start)


def _greedy(session: TrainingSession, step: int, count: int) -> Sampled:
    """The first `count` held-out rows, always the same ones, so that evaluations can be compared."""
    rows = readable(session.valid, range(count), session.reader.prompt)
    session.phase("evaluate", step, 0, count, "rows")

    def progress(done: int, of: int) -> None:
        session.phase("evaluate", step, done, of, "rows")

    greedy = session.config.sampling.model_copy(update={"temperature": 0.0})
    return complete(session, rows, 1, greedy, 0, progress)


def _first(sampled: Sampled, rows: int) -> Sampled:
    return sampled.take(np.arange(min(rows, len(sampled.rows))))


def _reward_metrics(table: Any, names: tuple[str, ...], weights: tuple[float, ...]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for k, name in enumerate(names):
        column = table[:, k]
        if np.isfinite(column).any():
            metrics[f"eval/rewards/{name}/mean"] = float(np.nanmean(column))
    totals = weighted_totals(table, weights)
    if np.isfinite(totals).any():
        metrics["eval/reward"] = float(np.nanmean(totals))
    return metrics


def _accuracy(session: TrainingSession, sampled: Sampled, table: Any) -> dict[str, float]:
    """The share of right answers among rows that have one: by the run's own accuracy reward, else by equal values."""
    kinds = [reward.type for reward in session.config.rewards]
    if "accuracy" in kinds:
        verdicts = table[:, kinds.index("accuracy")]
    else:
        samples = [
            Sample(row.text, text, row.fields, prompt_ends=row.prompt_ends)
            for row, text in zip(sampled.rows, sampled.rollout.texts, strict=True)
        ]
        found = map(number_of, Accuracy(AccuracyReward(math=False)).score(samples))
        verdicts = np.array([np.nan if one is None else one for one in found])
    return {"eval/accuracy": float(np.nanmean(verdicts))} if np.isfinite(verdicts).any() else {}
