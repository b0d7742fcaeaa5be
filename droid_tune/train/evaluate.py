"""Greedy answers to held-out rows: the honest measure of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.bounds import deviations_of, looks, wilson
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
    """Metrics by catalogue name over `rows` held-out rows: those whose answers were judged right or wrong, where any were."""

    metrics: dict[str, float]
    rows: int
    seconds: float


def evaluate_by_reward(session: TrainingSession, scorer: Scorer, step: int) -> Evaluated | None:
    """One greedy completion for each held-out prompt: accuracy against the answers, and every reward."""
    settings = session.config.evaluation
    count = min(settings.rows, len(session.valid))
    if not count:
        return None
    start = time.perf_counter()
    rows = session.held_out_prompts(count)
    if not rows:
        return None
    if settings.known_to and session.environment is None:
        batch, verdicts, metrics = _until_known(session, scorer, step, rows)
    else:
        batch = _answered(session, scorer, step, rows)
        verdicts = _verdicts(session, batch)
        metrics = _metrics(batch, verdicts)
    scorer.tell(step, batch.take(np.arange(min(len(batch.rows), SHOWN_ROWS))))
    judged = int(np.isfinite(verdicts).sum())
    return Evaluated(metrics, judged or len(batch.rows), time.perf_counter() - start)


def evaluate_rows(
    session: TrainingSession, scorer: Scorer, step: int, rows: list[PromptRow]
) -> dict[str, float]:
    """Greedy answers to some rows in numbers."""
    batch = _answered(session, scorer, step, rows)
    return _metrics(batch, _verdicts(session, batch))


def _until_known(
    session: TrainingSession, scorer: Scorer, step: int, rows: list[PromptRow]
) -> tuple[Batch, NDArray[np.floating[Any]], dict[str, float]]:
    """Answers to so many rows that the accuracy is known as well as the settings want; what each is worth (N,), their metrics,
    and what it may be.

    The file's order may be one of difficulty, so rows come in an order of the run's own, the same in each evaluation.
    """
    order = np.random.default_rng(session.seed("held-out")).permutation(len(rows))
    planned = looks(len(rows))
    deviations = deviations_of(len(planned))
    batch, verdicts, bounds = None, np.empty(0), dict[str, float]()
    for first, end in pairwise((0, *planned)):
        more = _answered(session, scorer, step, [rows[place] for place in order[first:end]])
        batch = more if batch is None else batch.joined(more)
        verdicts = np.concatenate([verdicts, _verdicts(session, more)])
        judged = int(np.isfinite(verdicts).sum())
        if not judged:
            continue
        least, most = wilson(float(np.nanmean(verdicts)), judged, deviations)
        bounds = {"eval/accuracy/least": least, "eval/accuracy/most": most}
        if most - least <= 2 * session.config.evaluation.known_to:
            break
    assert batch is not None
    return batch, verdicts, _metrics(batch, verdicts) | bounds


def _answered(session: TrainingSession, scorer: Scorer, step: int, rows: list[PromptRow]) -> Batch:
    return scorer.score(step, rows, _greedy(session, step, rows))


def _metrics(batch: Batch, verdicts: NDArray[np.floating[Any]]) -> dict[str, float]:
    metrics = _reward_metrics(batch)
    if np.isfinite(verdicts).any():
        metrics["eval/accuracy"] = float(np.nanmean(verdicts))
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
    for name in batch.names:
        column = _own_words(batch, name)
        if np.isfinite(column).any():
            metrics[f"eval/rewards/{name}/mean"] = float(np.nanmean(column))
    if np.isfinite(batch.totals).any():
        metrics["eval/reward"] = float(np.nanmean(batch.totals))
    return metrics


def _own_words(batch: Batch, name: str) -> NDArray[np.floating[Any]]:
    """What a reward said (N,), also of completions on which another reward failed; NaN of an episode that failed."""
    failed = [path.cut == "failed" for path in batch.rollout.trajectories or ()]
    return np.where(failed, np.nan, batch.shown[name]) if failed else batch.shown[name]


def _verdicts(session: TrainingSession, batch: Batch) -> NDArray[np.floating[Any]]:
    """What each answer is worth (N,), NaN of rows without one to compare with: by the run's own accuracy reward, else by
    equal values."""
    kinds = [reward.type for reward in session.config.rewards]
    if "accuracy" in kinds:
        return _own_words(batch, batch.names[kinds.index("accuracy")])
    samples = [
        Sample(row.text, text, row.fields, finish_reason=reason, prompt_ends=row.prompt_ends)
        for row, text, reason in zip(
            batch.rows, batch.rollout.texts, batch.rollout.finish_reasons, strict=True
        )
    ]
    found = map(number_of, Accuracy(AccuracyReward(math=False)).score(samples))
    return np.array([np.nan if one is None else one for one in found])
