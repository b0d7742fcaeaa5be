"""The engine's side of the supervised benchmark: the loop's own updates, with the plan that a run would make.

usage: sft_engine.py WORKLOAD(.json or inline JSON) OUT.json [OPTIONS-JSON]

Options: the fields of `droid_tune.estimate.plan.MemoryPlan`, to try others than the engine's choice; {"packing": true}.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import sft_work as W  # noqa: E402

work = W.load(sys.argv[1])
options: dict[str, Any] = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
path = W.model_path(work)

import mlx.core as mx  # noqa: E402

from droid_tune.config import RunConfig, resolve  # noqa: E402
from droid_tune.control import Control  # noqa: E402
from droid_tune.data.batches import PromptBatches  # noqa: E402
from droid_tune.events import Event  # noqa: E402
from droid_tune.machine.budget import budget_of, limit_of  # noqa: E402
from droid_tune.machine.host import read_host  # noqa: E402
from droid_tune.model.loading import load_policy  # noqa: E402
from droid_tune.model.plan_for import limit_memory, plan_for  # noqa: E402
from droid_tune.model.reference import ReferencePolicy  # noqa: E402
from droid_tune.rewards.table import build_rewards  # noqa: E402
from droid_tune.train.assignment import Span  # noqa: E402
from droid_tune.train.checkpoint import CheckpointStore  # noqa: E402
from droid_tune.train.distributed import World  # noqa: E402
from droid_tune.train.examples import TrainingExample  # noqa: E402
from droid_tune.train.execution import learner_for  # noqa: E402
from droid_tune.train.journal import SilentJournal  # noqa: E402
from droid_tune.train.loop import Loop  # noqa: E402
from droid_tune.train.memory_guard import MemoryGuard  # noqa: E402
from droid_tune.train.optimizer import build_optimizer  # noqa: E402
from droid_tune.train.row_reader import Chosen, RowReader  # noqa: E402
from droid_tune.train.training_session import TrainingSession  # noqa: E402


class TokenRows:
    """The benchmark's rows, tokens already, in the place of a data set."""

    def __init__(self, work: dict[str, Any]) -> None:
        self._rows = [{"row": row} for batch in W.batches(work) for row in batch]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> dict[str, Any]:
        return self._rows[number]


class TokenReader(RowReader):
    """Nothing is rendered."""

    def examples(self, number: int, row: dict[str, Any]) -> list[TrainingExample]:
        tokens, read = row["row"]
        return [TrainingExample(number, tokens, [place >= read for place in range(len(tokens))])]


def config_of(work: dict[str, Any], path: str) -> RunConfig:
    return resolve(
        {
            "model": {"path": path},
            "method": {"type": "sft", "packing": bool(options.pop("packing", False))},
            "training": {"batch_size": work["batch_size"], "seed": work["seed"]},
            "adapter": {"rank": work["lora_rank"], "scale": work["lora_scale"]},
            "optimizer": {"name": "adam", "learning_rate": work["lr"]},
            "memory": {"backward": "layerwise" if work["checkpoint"] else "auto"},
        }
    )


def loop_of(config: RunConfig, work: dict[str, Any], folder: Path, losses: list[float | None]) -> Loop:
    policy = load_policy(config.model.path, config.adapter, seed=config.training.seed)
    limit_memory(budget_of(config.memory, read_host()))
    train = Chosen(TokenRows(work), None)  # pyright: ignore[reportArgumentType]
    steps = work["batches"] * (1 + work["epochs"])

    def emit(event: Event) -> None:
        if event.type == "step":
            losses.append(event.metrics["loss"])

    session = TrainingSession(
        config=config,
        policy=policy,
        train=train,
        valid=Chosen(TokenRows({**work, "batches": 0}), None),  # pyright: ignore[reportArgumentType]
        batches=PromptBatches(train, config.training.batch_size, config.training.seed, shuffle=False),
        rewards=build_rewards((), max_completion_length=1),
        plan=plan_for(config, policy),
        control=Control(),
        emit=emit,
        world=World(),
        reader=TokenReader(policy.tokenizer, config, policy.context_length),
    )
    return Loop(
        session=session,
        learner=learner_for(session),
        optimizer=build_optimizer(config.optimizer, policy.trainable()),
        reference=ReferencePolicy(policy, needed=False),
        store=CheckpointStore(folder, 1),
        journal=SilentJournal(folder),
        span=Span(start=0, until=steps, total_steps=steps),
        fixed_state={},
        guard=MemoryGuard(limit_of(config.memory, read_host())),
    )


recorder = W.Recorder(mx, work)
losses: list[float | None] = []
with tempfile.TemporaryDirectory() as folder:
    loop = loop_of(config_of(work, path), work, Path(folder), losses)
    loop.session.plan = replace(loop.session.plan, **options)
    for _ in range(loop.span.total_steps):
        recorder.mark()
        loop.mind_memory(loop.advance())
recorder.mark()
found = recorder.summary(losses=losses, plan=loop.session.plan.sentence)
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
print({key: round(value, 3) for key, value in found.items() if isinstance(value, float)}, found["plan"])
