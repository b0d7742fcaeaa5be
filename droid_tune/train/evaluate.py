"""Greedy answers to held-out rows: the honest measure of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from droid_tune.config.rewards import AccuracyReward
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.episode_rewards import episode_metrics
from droid_tune.train.exploring.sampler import Sampler
from droid_tune.train.exploring.score import Scorer
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession

#: held-out groups told to whoever watches, per evaluation
SHOWN_ROWS = 16

#: what is told of held-out episodes
EVALUATED = ("episodes/turns", "episodes/calls", "episodes/valid_calls")


@dataclass(frozen=True)
class Evaluated:
    """Metrics by catalogue name over `rows` held-out rows."""

    metrics: dict[str, float]
    rows: int
    seconds: float


def evaluate_by_reward(session: TrainingSession, scorer: Scorer, step: int) -> Evaluated | None:
    """One greedy completion for each held-out prompt: accuracy against the answers, and every reward."""
    count = min(session.config.evaluation.rows, len(session.valid))
    if not count:
        return None
    start = time.perf_counter()
    rows = session.held_out_prompts(count)
    if not rows:
        return None
    metrics = evaluate_rows(session, scorer, step, rows, told=True)
    return Evaluated(metrics, len(rows), time.perf_counter() - start)


def evaluate_rows(
    session: TrainingSession, scorer: Scorer, step: int, rows: list[PromptRow], *, told: bool = False
) -> dict[str, float]:
    """Greedy answers to some rows in numbers; `told`: some of them are told to whoever watches."""
    batch = scorer.score(step, rows, _greedy(session, step, rows))
    if told:
        scorer.tell(step, batch.take(np.arange(min(len(rows), SHOWN_ROWS))))
    metrics = _reward_metrics(batch) | _accuracy(session, batch)
    if batch.rollout.trajectories is not None:
        told_of = episode_metrics(batch.rollout.trajectories)
        metrics |= {f"eval/{name}": told_of[name] for name in EVALUATED if name in told_of}
    metrics["eval/completion_length"] = float(batch.rollout.lengths.mean())
    metrics["eval/clipped_ratio"] = float(
        np.mean([reason == "length" for reason in batch.rollout.finish_reasons])
    )
    return metrics


def _greedy(session: TrainingSession, step: int, rows: list[PromptRow]) -> Rollout:
    """One answer to each row, always the same rows, so that evaluations can be compared."""
    greedy = session.config.sampling.model_copy(update={"temperature": 0.0})
    return Sampler(session, 1, greedy, "evaluate").complete(step, rows, seed=0)


def _reward_metrics(batch: Batch) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name, column in zip(batch.names, batch.table.T, strict=True):
        if np.isfinite(column).any():
            metrics[f"eval/rewards/{name}/mean"] = float(np.nanmean(column))
    if np.isfinite(batch.totals).any():
        metrics["eval/reward"] = float(np.nanmean(batch.totals))
    return metrics


def _accuracy(session: TrainingSession, batch: Batch) -> dict[str, float]:
    """The share of right answers among rows that have one: by the run's own accuracy reward, else by equal values."""
    kinds = [reward.type for reward in session.config.rewards]
    if "accuracy" in kinds:
        verdicts = batch.table[:, kinds.index("accuracy")]
    else:
        samples = [
            Sample(row.text, text, row.fields, finish_reason=reason, prompt_ends=row.prompt_ends)
            for row, text, reason in zip(
                batch.rows, batch.rollout.texts, batch.rollout.finish_reasons, strict=True
            )
        ]
        found = map(number_of, Accuracy(AccuracyReward(math=False)).score(samples))
        verdicts = np.array([np.nan if one is None else one for one in found])
    return {"eval/accuracy": float(np.nanmean(verdicts))} if np.isfinite(verdicts).any() else {}
