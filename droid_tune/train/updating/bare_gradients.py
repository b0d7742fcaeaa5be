"""The passes of an update by themselves, for what is measured: gradients that nothing is done with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from droid_tune.config import RunConfig
from droid_tune.config.recipes.preference_methods import RewardModelConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.value_gradients import value_gradients
from droid_tune.model.heads.value_head import reward_head
from droid_tune.train.training_session import TrainingSession


def bare_gradients(
    session: TrainingSession,
    config: RunConfig,
    plan: MemoryPlan,
    rows: ScoringRows,
    *,
    with_entropy: bool,
    tell: Callable[[], None] | None = None,
) -> None:
    """The gradients of rows by the passes of a step, and nothing done with them; `tell` is called in each micro-batch.

    Raises Stopped.
    """
    mask = mx.array(rows.completion_mask)

    def loss(part: Any, logprobs: mx.array, _entropies: Any) -> tuple[mx.array, dict[str, mx.array]]:
        session.pause_point()
        if tell is not None:
            tell()
        return -(logprobs * mask[mx.array(part)][:, : logprobs.shape[1]]).mean(), {}

    if isinstance(config.method, RewardModelConfig):
        head = reward_head(session.policy)
        mx.eval(value_gradients(session.policy, rows, loss, head, plan=plan)[1:3])
        return
    _, gradients, _ = loss_and_gradients(
        session.policy,
        rows,
        loss,
        temperature=1.0 if not config.samples else config.sampling.temperature,
        plan=plan,
        with_entropy=with_entropy,
    )
    mx.eval(gradients)
