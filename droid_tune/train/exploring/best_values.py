"""A*-PO's look at a prompt before it is learnt from: how good the model's best answer was before training.

The paper looks at all prompts first. Here each is looked at when it first comes; the reference does not move, so the value
is the same, and a run of few steps samples only what it uses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.variant_methods import A2POConfig
from droid_tune.errors import UserError
from droid_tune.methods.baselines import optimal_values
from droid_tune.model.reference import as_reference
from droid_tune.train.exploring.sampler import Sampler
from droid_tune.train.exploring.score import Scorer
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession


class BestValues:
    """V* by row number, and which rows are hopeless; part of the run's state."""

    def __init__(self, session: TrainingSession, method: A2POConfig, scorer: Scorer) -> None:
        self._session, self._method, self._scorer = session, method, scorer
        self._sampler = Sampler(session, method.value_samples, session.config.sampling)
        self._values: dict[int, float | None] = {}

    def worthwhile(self, step: int, draw: Callable[[], list[PromptRow]]) -> list[PromptRow]:
        """The next batch of prompts of which some reference answer earned something.

        `draw` gives the next batch as it comes. Raises UserError where none of all rows is left.
        """
        found: list[PromptRow] = []
        wanted = self._session.config.training.batch_size
        while len(found) < wanted:
            rows = draw()
            self._look_at(step, [row for row in rows if row.number not in self._values])
            found += [row for row in rows if self._values[row.number] is not None]
            if len(self._values) >= len(self._session.train) and not self._hopes():
                raise UserError(
                    "The model answers no prompt of the data rightly, so A*-PO has nothing to learn from",
                    remedy="start from an SFT run, use easier prompts, or set `filter_all_incorrect` to false",
                )
        return found[:wanted]

    def of(self, rows: list[PromptRow], group_size: int) -> NDArray[np.float64]:
        """The values of a rollout's completions (N,), its groups one after another."""
        return np.repeat([self._values[row.number] or 0.0 for row in rows], group_size)

    def _hopes(self) -> bool:
        return any(value is not None for value in self._values.values())

    def _look_at(self, step: int, rows: list[PromptRow]) -> None:
        """Sample the reference and judge what it says; what no reward judges counts as 0."""
        if not rows:
            return
        session, samples = self._session, self._method.value_samples
        with as_reference(session.policy):
            rollout = self._sampler.complete(step, rows, session.seed("values", rows[0].number))
        rewards = np.nan_to_num(self._scorer.score(step, rows, rollout).totals).reshape(-1, samples)
        values = optimal_values(rewards, self._method.beta1)
        for row, value, own in zip(rows, values, rewards, strict=True):
            hopeless = self._method.filter_all_incorrect and not own.any()
            self._values[row.number] = None if hopeless else float(value)

    def state(self) -> list[list[float | None]]:
        """JSON values: [row number, value or None] of every row that was looked at."""
        return [[number, value] for number, value in self._values.items()]

    def restore(self, state: list[list[float | None]]) -> None:
        """Takes back `state`."""
        self._values = {int(number): value for number, value in state if number is not None}
