"""The loop that a run would make, over rows of tokens in the place of a data set: for the supervised and the DPO benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from droid_tune.config import RunConfig
from droid_tune.control import Control
from droid_tune.data.order.batches import PromptBatches
from droid_tune.estimate.job import DataLengths
from droid_tune.events import Event
from droid_tune.machine.budget import budget_of, limit_of
from droid_tune.machine.host import read_host
from droid_tune.model.loading import load_policy
from droid_tune.model.plan_for import limit_memory, plan_for
from droid_tune.rewards.table import build_rewards
from droid_tune.train.assembly import learner_for, reference_for
from droid_tune.train.assignment import Span
from droid_tune.train.distributed import World
from droid_tune.train.loop import Loop
from droid_tune.train.rows.row_reader import Chosen, RowReader
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.journal import SilentJournal
from droid_tune.train.steering.memory_guard import MemoryGuard
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.optimizer import build_optimizer


class GivenRows:
    """Rows that are tokens already."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = [{"row": row} for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> dict[str, Any]:
        return self._rows[number]


def loop_of(
    config: RunConfig,
    rows: Sequence[Any],
    reader: type[RowReader],
    folder: Path,
    losses: list[float | None],
    steps: int,
    lengths: DataLengths | None = None,
) -> Loop:
    """`losses` hears of each step; `lengths` are what `plan_for` is told of the rows."""
    policy = load_policy(config.model.path, config.adapter, seed=config.training.seed)
    limit_memory(budget_of(config.memory, read_host()))
    train = Chosen(GivenRows(rows), None)  # pyright: ignore[reportArgumentType]

    def emit(event: Event) -> None:
        if event.type == "step":
            losses.append(event.metrics["loss"])

    session = TrainingSession(
        config=config,
        policy=policy,
        train=train,
        valid=Chosen(GivenRows([]), None),  # pyright: ignore[reportArgumentType]
        batches=PromptBatches(train, config.training.batch_size, config.training.seed, shuffle=False),
        rewards=build_rewards((), max_completion_length=1),
        plan=plan_for(config, policy, lengths),
        control=Control(),
        emit=emit,
        world=World(),
        reader=reader(policy.tokenizer, config, policy.context_length),
    )
    return Loop(
        session=session,
        learner=learner_for(session),
        optimizer=build_optimizer(config.optimizer, policy.trainable()),
        reference=reference_for(session),
        store=CheckpointStore(folder, 1),
        journal=SilentJournal(folder),
        span=Span(start=0, until=steps, total_steps=steps),
        fixed_state={},
        guard=MemoryGuard(limit_of(config.memory, read_host())),
    )
