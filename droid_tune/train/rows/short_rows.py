"""More rows at a time where all are short."""

from __future__ import annotations

from dataclasses import replace

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.estimate.busy_tokens import BUSY_WHOLE_TOKENS
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.footprint import device_name
from droid_tune.model.gradients.passes import read_lengths
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.training_session import TrainingSession


def plan_for_rows(session: TrainingSession, first_plan: MemoryPlan, rows: ScoringRows) -> MemoryPlan:
    """The session's plan, with more rows at a time where all of `rows` are short.

    It was made for rows as long as the longest of all; a device that a few of those keep busy is idle with as many short
    ones. Never more tokens together, padding included, than the plan allows, and its word counts where the user or the
    memory guard asked for fewer rows (it is no longer the `first_plan`).
    """
    plan, settings = session.plan, session.config
    if settings.memory.rows_per_micro_batch or plan != first_plan:
        return plan
    longest = bucketed(int(read_lengths(rows)[0].max()))
    busy = plan.busy_tokens or BUSY_WHOLE_TOKENS[device_name()]
    together = min(busy, plan.train_rows * (plan.row_tokens or settings.training.max_seq_length))
    return replace(plan, train_rows=max(plan.train_rows, together // longest))
