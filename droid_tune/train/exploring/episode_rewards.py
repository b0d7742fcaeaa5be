"""What an environment gives, as one more reward of a rollout, and what is counted of its episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from droid_tune import words
from droid_tune.config.environments import EnvironmentConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.methods.advantages import Advantages
from droid_tune.methods.turn_credit import turn_advantages
from droid_tune.rewards.combine import RewardFailure, TooManyFailures
from droid_tune.rollout.episodes.trajectory import Trajectory
from droid_tune.train.exploring.batch import Batch

#: how the reward is called in tables, curves and events
ENVIRONMENT = "environment"
#: metrics of what a step has taken in all
SUMS = frozenset(("episodes/stood_seconds", "episodes/read_tokens"))


def with_environment(batch: Batch, settings: EnvironmentConfig) -> Batch:
    """The batch with the environment's reward as a column where it judges; what failed takes no part in its group.

    Raises TooManyFailures past the environment's share of failed episodes.
    """
    paths = batch.rollout.trajectories
    if paths is None:
        return batch
    _check_failures(paths, settings.failure_share)
    table, names, weights = batch.table, batch.names, batch.weights
    shown = dict(batch.shown)
    if settings.judges:
        given = np.array([np.nan if path.reward is None else path.reward for path in paths])
        table = np.concatenate([table, given[:, None]], axis=1)
        names, weights = (*names, ENVIRONMENT), (*weights, settings.reward_weight)
        shown[ENVIRONMENT] = given
    for part in dict.fromkeys(name for path in paths for name in path.parts):
        shown[f"{ENVIRONMENT}.{part}"] = np.array([path.parts.get(part, np.nan) for path in paths])
    failed = np.array([path.cut == "failed" for path in paths])
    return replace(
        batch,
        table=np.where(failed[:, None], np.nan, table),
        names=names,
        weights=weights,
        shown=shown,
    )


def failures_of(paths: Sequence[Trajectory]) -> list[RewardFailure]:
    """The episodes that failed, as failures of the environment's reward."""
    return [
        RewardFailure(ENVIRONMENT, index, path.failed or "the episode failed")
        for index, path in enumerate(paths)
        if path.cut == "failed"
    ]


def _check_failures(paths: Sequence[Trajectory], share: float) -> None:
    failed = failures_of(paths)
    if failed and len(failed) > share * len(paths):
        raise TooManyFailures(
            f"{len(failed)} of {words.count(len(paths), 'episode')} failed (at most {words.share(share)} may); "
            f"episode {failed[0].index + 1}: {failed[0].message}",
            place="environment",
            remedy="mend the environment and try it with `droid-tune play` before training again",
        )


def with_turns(
    batch: Batch, advantages: Advantages, settings: EnvironmentConfig, method: PolicyMethodConfig
) -> Advantages:
    """The advantages of tokens (N, T): their episode's, and `turn_weight` times their turn's (GiGPO).

    What an episode earned beside its turns' rewards is its last turn's.
    """
    paths, group = batch.rollout.trajectories or [], batch.rollout.group_size
    scale = settings.reward_weight if settings.judges else 0.0
    rewards = [_of_turns(path, total, scale) for path, total in zip(paths, batch.totals, strict=True)]
    found = turn_advantages(
        rewards,
        [path.states for path in paths],
        group,
        discount=settings.turn_discount,
        normalise=method.scale_rewards != "none",
        eps=method.advantage_eps,
    )
    values = advantages.values
    tokens = np.zeros(batch.rollout.tokens.shape, np.float32)
    tokens += values if values.ndim == 2 else values[:, None]
    for row, (path, own) in enumerate(zip(paths, found, strict=True)):
        for (start, end), value in zip(path.spans, own, strict=True):
            tokens[row, start:end] += np.float32(settings.turn_weight * value)
    tokens *= batch.rollout.completion_mask
    moving = (tokens != 0).any(axis=1).reshape(-1, group).any(axis=1)
    spread = float(np.mean([np.abs(own).mean() for own in found if len(own)] or [0.0]))
    return replace(
        advantages,
        values=tokens,
        whole=advantages.of_completions,
        informative=moving,
        metrics={**advantages.metrics, "episodes/turn_advantage": spread},
    )


def _of_turns(path: Trajectory, total: float, scale: float) -> list[float]:
    """What each turn earned; the rest of the episode's reward is the last one's. NaN where no reward judged it."""
    if not path.spans:
        return []
    if np.isnan(total):
        return [np.nan] * len(path.spans)
    own = [scale * (reward or 0.0) for reward in path.turn_rewards]
    own[-1] += float(total) - sum(own)
    return own


def episode_metrics(paths: Sequence[Trajectory], stood: float = 0.0, read: int = 0) -> dict[str, float]:
    """Turns, calls and cuts of a rollout's episodes: means and shares over all of them."""
    count = max(1, len(paths))
    calls = [sum(path.calls.values()) for path in paths]
    metrics = {
        "episodes/turns": float(np.mean([len(path.spans) for path in paths])),
        "episodes/calls": float(np.mean(calls)),
        "episodes/seconds": float(np.mean([path.seconds for path in paths])),
        "episodes/stood_seconds": stood,
        "episodes/read_tokens": float(read),
    }
    if sum(calls):
        done = sum(path.calls.get("done", 0) for path in paths)
        metrics["episodes/valid_calls"] = done / sum(calls)
    for cut in ("turns", "tokens", "time", "failed"):
        metrics[f"episodes/cut_{cut}"] = sum(path.cut == cut for path in paths) / count
    return metrics
