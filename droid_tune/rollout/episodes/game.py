"""What is played: a model, an environment and rows, with the settings that hold for all of their episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from droid_tune.config.sampling import SamplingConfig
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import TemplateOptions
from droid_tune.environments.episode import Environment, Seeds
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.policy import Policy
from droid_tune.rollout.decoding import ending_tokens
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, EpisodeRow, Seeding


@dataclass(frozen=True)
class Game:
    """`group_size` episodes of each row of `data`, and what all of them are played by."""

    policy: Policy
    environment: Environment
    data: Sequence[Row]
    group_size: int
    sampling: SamplingConfig
    limits: EpisodeLimits
    seeding: Seeding
    plan: MemoryPlan
    options: TemplateOptions

    @cached_property
    def stops(self) -> frozenset[int]:
        """The tokens that end a turn. Raises UserError where the run adds one that the tokenizer does not know."""
        return ending_tokens(self.policy, self.sampling)

    def episode_rows(self) -> list[EpisodeRow]:
        """Every episode before it begins, group by group: `index` is its place in the list."""
        seeding, size = self.seeding, self.group_size
        numbers = list(seeding.rows) or list(range(len(self.data)))
        return [
            EpisodeRow(place * size + member, place, Seeds(seeding.run, seeding.rollout, number, member))
            for place, number in enumerate(numbers)
            for member in range(size)
        ]
