"""Passes without a gradient that a learner makes between sampling and learning: by the session's plan, ended by Stop."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.model.gradients.scoring import Scores, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.policy import Policy
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


def scored(
    session: TrainingSession,
    rows: ScoringRows,
    *,
    policy: Policy | None = None,
    temperature: float | None = None,
    reference: bool = False,
    with_entropy: bool = False,
    with_collisions: bool = False,
) -> Scores:
    """`score` of `rows` under the session's policy (or `policy`), at the sampler's temperature unless told another."""
    return score(
        policy or session.policy,
        rows,
        temperature=session.config.sampling.temperature if temperature is None else temperature,
        plan=session.plan,
        reference=reference,
        with_entropy=with_entropy,
        with_collisions=with_collisions,
        watch=session.stopping,
    )


def logprobs_of_all(session: TrainingSession, rows: ScoringRows, *, reference: bool = False) -> Floats:
    """Log-probabilities of all rows (N, T); each rank scores the rows of its own prompts, then all know all."""
    own = session.world.own_places(rows.prompt_index)
    found = scored(session, rows.take(own), reference=reference)
    return session.world.merge(found.logprobs, own, len(rows))
