"""Rewards for a rollout, each called once, and the completions told to whoever watches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.events import Completion, Notice, RolloutGroup
from droid_tune.methods.advantages import Advantages, weighted_totals
from droid_tune.rewards.combine import RewardFailure
from droid_tune.train.sampler import Sampled
from droid_tune.train.training_session import TrainingSession

Table = NDArray[np.floating[Any]]

#: failures told one by one in a step; the rest are counted
TOLD_FAILURES = 3


@dataclass(frozen=True)
class Judged:
    """`table` (N, K): each completion by each reward, NaN where a reward does not apply or failed; `shown`: what has
    a curve of its own, rewards and the parts they are made of."""

    table: Table
    names: tuple[str, ...]
    weights: tuple[float, ...]
    shown: Mapping[str, Table]

    def joined(self, other: Judged) -> Judged:
        """Both, one after the other."""
        nothing = np.full(len(self.table), np.nan), np.full(len(other.table), np.nan)
        names = dict.fromkeys([*self.shown, *other.shown])
        shown = {
            name: np.concatenate([self.shown.get(name, nothing[0]), other.shown.get(name, nothing[1])])
            for name in names
        }
        return Judged(np.concatenate([self.table, other.table]), self.names, self.weights, shown)

    def take(self, groups: NDArray[Any], group_size: int) -> Judged:
        """The rows of some groups."""
        rows = (np.asarray(groups)[:, None] * group_size + np.arange(group_size)).reshape(-1)
        shown = {name: column[rows] for name, column in self.shown.items()}
        return Judged(self.table[rows], self.names, self.weights, shown)


class Judge:
    """Scores rollouts with the run's rewards."""

    def __init__(self, session: TrainingSession, group_size: int) -> None:
        self.session = session
        self.group_size = group_size

    def score(self, step: int, sampled: Sampled, group_size: int | None = None) -> Judged:
        """Every reward on every completion. Raises UserError when too many fail (the reward's own limit)."""
        session, rollout = self.session, sampled.rollout
        size = group_size or self.group_size
        session.phase("reward", step, 0, len(rollout.texts), "completions")
        world = session.world
        places = world.own_rows(world.own_groups(len(sampled.rows)), size)
        lengths = rollout.completion_mask.sum(axis=1)
        scores = session.rewards.score(
            prompts=[sampled.rows[place // size].text for place in places],
            completions=[rollout.texts[place] for place in places],
            rows=[sampled.rows[place // size].fields for place in places],
            lengths=[int(lengths[place]) for place in places],
            finish_reasons=[rollout.finish_reasons[place] for place in places],
            prompt_ends=[sampled.rows[place // size].prompt_ends for place in places],
        )
        self._tell_failures(step, scores.failures)
        names = tuple(session.rewards.names)
        table, shown = scores.matrix, scores.shown
        if not world.alone:
            table = world.merge(table.astype(np.float32), places, len(rollout.texts)).astype(np.float64)
            shown = dict(zip(names, table.T, strict=True))
        return Judged(table, names, tuple(session.rewards.weights), shown)

    def _tell_failures(self, step: int, failures: Sequence[RewardFailure]) -> None:
        more = len(failures) - TOLD_FAILURES
        for number, failure in enumerate(failures[:TOLD_FAILURES], start=1):
            also = f" ({more} more in this step)" if more > 0 and number == TOLD_FAILURES else ""
            self.session.emit(
                Notice(
                    level="warning",
                    code="reward_failed",
                    text=f"{failure.sentence()}{also}",
                    remedy="Mend the reward; failed completions are left out, not counted as 0.",
                    step=step,
                )
            )

    def tell(
        self,
        step: int,
        sampled: Sampled,
        judged: Judged,
        advantages: Advantages | None,
        *,
        held_out: bool = False,
    ) -> None:
        """One event per group: its prompt and completions with rewards and advantages."""
        size = sampled.rollout.group_size
        totals = weighted_totals(judged.table, judged.weights) if advantages is None else advantages.totals
        for group, row in enumerate(sampled.rows):
            members = range(group * size, (group + 1) * size)
            completions = [
                self._completion(sampled, judged, index, totals[index], advantages) for index in members
            ]
            self.session.emit(
                RolloutGroup(
                    step=step,
                    group=group,
                    row=row.number,
                    prompt=row.text,
                    answer=row.answer,
                    completions=completions,
                    held_out=held_out,
                )
            )

    def _completion(
        self, sampled: Sampled, judged: Judged, index: int, total: float, advantages: Advantages | None
    ) -> Completion:
        rollout = sampled.rollout
        return Completion(
            text=rollout.texts[index],
            reward=_or_none(total),
            rewards={name: _or_none(column[index]) for name, column in judged.shown.items()},
            advantage=0.0 if advantages is None else float(advantages.values[index]),
            length=int(rollout.completion_mask[index].sum()),
            finish_reason=rollout.finish_reasons[index],
        )


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
