"""From data rows to a rollout: which prompts come next, and their completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Watch
from droid_tune.environments.episode import Environment
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.rollout.decoding import completion_text
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.rollout.generate import generate
from droid_tune.rollout.rollout import Rollout, rows_of_groups
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession

Array = NDArray[Any]

#: what the progress of each phase that samples counts
UNITS: dict[Literal["rollout", "evaluate"], str] = {"rollout": "completions", "evaluate": "rows"}


@dataclass(frozen=True)
class Sampler:
    """Lets the policy complete prompts, `group_size` times each, and tells how far it is."""

    session: TrainingSession
    group_size: int
    sampling: SamplingConfig
    phase: Literal["rollout", "evaluate"] = "rollout"

    def complete(self, step: int, rows: Sequence[PromptRow], seed: int) -> Rollout:
        """Completions of every row; each rank makes those of its own groups, all of them know all. Raises Stopped."""
        session = self.session
        session.pause_point()
        watch = session.watch(self.phase, step, UNITS[self.phase])
        watch.tell(0, len(rows) * self.group_size)
        own = session.world.own_groups(len(rows))
        if session.environment is not None:
            rollout = self._played(session.environment, rows, seed, watch)
            session.pause_point()
            return rollout
        rollout = generate(
            session.policy,
            [rows[group].tokens for group in own],
            group_size=self.group_size,
            sampling=self.sampling,
            seed=seed,
            plan=self._plan,
            groups=own.tolist(),
            watch=watch,
        )
        session.pause_point()
        return rollout if session.world.alone else _shared(session, rollout, own, rows)

    @property
    def _plan(self) -> MemoryPlan:
        plan = self.session.plan
        return plan.evaluating if self.phase == "evaluate" else plan

    def _played(
        self, environment: Environment, rows: Sequence[PromptRow], seed: int, watch: Watch
    ) -> Rollout:
        """Episodes of every row; its environment is seeded from the run's seed and the rollout's."""
        session = self.session
        settings = session.config.environment
        assert settings is not None
        return play(
            session.policy,
            environment,
            [row.fields for row in rows],
            group_size=self.group_size,
            sampling=self.sampling,
            limits=EpisodeLimits.of(settings, session.reader.limit),
            seeding=Seeding(seed, session.config.training.seed, seed, [row.number for row in rows]),
            plan=self._plan,
            options=session.reader.options,
            watch=watch,
        )


def _shared(session: TrainingSession, own: Rollout, groups: Array, rows: Sequence[PromptRow]) -> Rollout:
    """The rollout of all ranks; texts are decoded again, everywhere from the same tokens."""
    world, size = session.world, own.group_size
    places, total = rows_of_groups(groups, size), len(rows) * size
    tokens = world.merge(own.tokens, places, total)
    mask = world.merge(own.completion_mask, places, total)
    cut = world.merge(
        np.array([reason == "length" for reason in own.finish_reasons], np.int32), places, total
    )
    return Rollout(
        prompt_tokens=[row.tokens for row in rows],
        group_size=size,
        tokens=tokens,
        completion_mask=mask,
        sampled_logprobs=world.merge(own.sampled_logprobs, places, total),
        texts=[
            completion_text(session.policy, row[keep > 0].tolist())
            for row, keep in zip(tokens, mask, strict=True)
        ],
        finish_reasons=["length" if flag else "stop" for flag in cut],
        drawn_logprobs=None if own.drawn_logprobs is None else world.merge(own.drawn_logprobs, places, total),
    )
