"""Rewards for a rollout, each called once, and the completions told to whoever watches."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.events import REWARD_FAILED, Completion, Notice, RolloutGroup, finite
from droid_tune.methods.advantages import Advantages
from droid_tune.rewards.combine import RewardFailure
from droid_tune.rollout.rollout import Rollout, rows_of_groups
from droid_tune.train.exploring.batch import Batch, Table
from droid_tune.train.exploring.episode_rewards import failures_of, with_environment
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession
from droid_tune.words import share, shortened

#: characters of a reward's reason that are kept with each completion
LONGEST_REASON = 200


class Scorer:
    """Scores rollouts with the run's rewards and tells of them."""

    def __init__(self, session: TrainingSession) -> None:
        self.session = session
        self._failed: Counter[str] = Counter()  # completions by reward, in this session
        self._scored = 0

    def score(self, step: int, rows: list[PromptRow], rollout: Rollout) -> Batch:
        """Every reward on every completion; each rank judges its own groups, all of them know all.

        Raises UserError when too many fail (the reward's own limit).
        """
        session, size = self.session, rollout.group_size
        session.phase("reward", step, 0, len(rollout), "completions")
        world = session.world
        places, paths = rows_of_groups(world.own_groups(len(rows)), size), rollout.trajectories
        scores = session.rewards.score(
            prompts=[rows[place // size].text for place in places],
            completions=[rollout.texts[place] for place in places],
            rows=[rows[place // size].fields for place in places],
            lengths=rollout.lengths[places].tolist(),
            finish_reasons=[rollout.finish_reasons[place] for place in places],
            prompt_ends=[rows[place // size].prompt_ends for place in places],
            seed=session.seed("reward", step, zlib.crc32(rollout.tokens.tobytes())),
            conversations=None if paths is None else [paths[place].conversation for place in places],
        )
        failures = [replace(failure, index=int(places[failure.index])) for failure in scores.failures]
        table, shown, reasons = scores.matrix, scores.shown, scores.reasons
        if not world.alone:
            told = world.everyones(
                {
                    "places": places.tolist(),
                    "table": table.tolist(),
                    "shown": {name: column.tolist() for name, column in shown.items()},
                    "failures": [asdict(failure) for failure in failures],
                    "reasons": {name: list(said) for name, said in reasons.items()},
                }
            )
            table, shown, failures = _merged(told, len(rollout))
            reasons = _merged_reasons(told, len(rollout))
        self._scored += len(rollout)
        batch = Batch(
            rows, rollout, table, tuple(session.rewards.names), tuple(session.rewards.weights), shown, reasons
        )
        if paths is not None and session.config.environment is not None:
            batch = with_environment(batch, session.config.environment)
            failures += failures_of(paths)
        self._tell_failures(step, failures)
        return batch

    def _tell_failures(self, step: int, failures: Sequence[RewardFailure]) -> None:
        """One notice for all of them, with how many there were so far: told again, it replaces what it said before."""
        if not failures:
            return
        self._failed.update(failure.name for failure in failures)
        counts = ", ".join(
            f"`{name}` on {count:,} of {self._scored:,} completions ({share(count / self._scored)})"
            for name, count in self._failed.items()
        )
        self.session.emit(
            Notice(
                level="warning",
                code=REWARD_FAILED,
                text=f"A reward failed: {counts}. The last: {failures[-1].sentence()}",
                remedy="Mend the reward; failed completions are left out, not counted as 0.",
                step=step,
            )
        )

    def tell(
        self,
        step: int,
        batch: Batch,
        advantages: Advantages | None = None,
        trained: NDArray[np.bool_] | None = None,
    ) -> None:
        """One event per group: its prompt and completions with rewards and advantages; held out where it has none.

        `trained` (N,): which completions are trained on; None: all.
        """
        size = batch.rollout.group_size
        totals = batch.totals if advantages is None else advantages.totals
        values = (np.zeros(len(totals)) if advantages is None else advantages.of_completions).tolist()
        told = [value if trained is None or trained[place] else None for place, value in enumerate(values)]
        for group, row in enumerate(batch.rows):
            members = range(group * size, (group + 1) * size)
            self.session.emit(
                RolloutGroup(
                    step=step,
                    group=group,
                    row=row.number,
                    prompt=row.text,
                    answer=row.answer,
                    completions=[_completion(batch, index, totals[index], told[index]) for index in members],
                    held_out=advantages is None,
                )
            )


def _completion(batch: Batch, index: int, total: float, advantage: float | None) -> Completion:
    rollout = batch.rollout
    path = rollout.trajectories[index] if rollout.trajectories is not None else None
    return Completion(
        text=rollout.texts[index],
        reward=finite(total),
        rewards={name: finite(column[index]) for name, column in batch.shown.items()},
        reasons={
            name: shortened(said[index], LONGEST_REASON)
            for name, said in batch.reasons.items()
            if said[index]
        },
        advantage=advantage,
        length=int(rollout.completion_mask[index].sum()),
        finish_reason=rollout.finish_reasons[index],
        turns=path.told if path is not None else [],
        cut=path.cut if path is not None else "",
    )


def _merged(told: list[dict[str, Any]], rows: int) -> tuple[Table, dict[str, Table], list[RewardFailure]]:
    """What the ranks say of their own rows -> the table (rows, K), the shown columns (rows,) and all failures."""
    table = np.full((rows, len(told[0]["table"][0])), np.nan)
    shown: dict[str, Table] = {}
    for one in told:
        table[one["places"]] = one["table"]
        for name, column in one["shown"].items():
            shown.setdefault(name, np.full(rows, np.nan))[one["places"]] = column
    failures = [RewardFailure(**failure) for one in told for failure in one["failures"]]
    return table, shown, sorted(failures, key=lambda failure: failure.index)


def _merged_reasons(told: list[dict[str, Any]], rows: int) -> dict[str, list[str]]:
    """The rewards' words of all ranks, in the order of the rows."""
    merged: dict[str, list[str]] = {}
    for rank in told:
        for name, said in rank["reasons"].items():
            column = merged.setdefault(name, [""] * rows)
            for place, one in zip(rank["places"], said, strict=True):
                column[place] = one
    return merged
