"""The engine's side of the DPO benchmark: the loop's own updates, with the plan that a run would make.

usage: dpo_engine.py WORKLOAD(.json or inline JSON) OUT.json [OPTIONS-JSON]

Options: the fields of `droid_tune.estimate.plan.MemoryPlan`, to try others than the engine's choice. The reference is
scored in the first epoch, as in a run; `reference_cpu` is what that took for each batch.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import dpo_work as W  # noqa: E402
import sft_work  # noqa: E402

work = W.load(sys.argv[1])
options: dict[str, Any] = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
path = sft_work.model_path(work)

import mlx.core as mx  # noqa: E402

from droid_tune.config import RunConfig, resolve  # noqa: E402
from droid_tune.control import Control  # noqa: E402
from droid_tune.data.batches import PromptBatches  # noqa: E402
from droid_tune.events import Event  # noqa: E402
from droid_tune.machine.budget import budget_of, limit_of  # noqa: E402
from droid_tune.machine.host import read_host  # noqa: E402
from droid_tune.model.loading import load_policy  # noqa: E402
from droid_tune.model.plan_for import limit_memory, plan_for  # noqa: E402
from droid_tune.rewards.table import build_rewards  # noqa: E402
from droid_tune.train.assignment import Span  # noqa: E402
from droid_tune.train.checkpoint import CheckpointStore  # noqa: E402
from droid_tune.train.distributed import World  # noqa: E402
from droid_tune.train.examples import TrainingExample  # noqa: E402
from droid_tune.train.execution import learner_for, reference_for  # noqa: E402
from droid_tune.train.journal import SilentJournal  # noqa: E402
from droid_tune.train.loop import Loop  # noqa: E402
from droid_tune.train.memory_guard import MemoryGuard  # noqa: E402
from droid_tune.train.optimizer import build_optimizer  # noqa: E402
from droid_tune.train.pairs.judged_rows import JudgedUnit  # noqa: E402
from droid_tune.train.row_reader import Chosen, RowReader  # noqa: E402
from droid_tune.train.training_session import TrainingSession  # noqa: E402


class TokenPairs:
    """The benchmark's pairs, tokens already, in the place of a data set."""

    def __init__(self, work: dict[str, Any]) -> None:
        self._rows = [{"pair": pair} for batch in W.batches(work) for pair in batch]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> dict[str, Any]:
        return self._rows[number]


class PairReader(RowReader):
    """Nothing is rendered."""

    def judged(self, number: int, row: dict[str, Any]) -> list[JudgedUnit]:
        prompt, *answers = row["pair"]
        examples = (
            TrainingExample(number, prompt + answer, [False] * len(prompt) + [True] * len(answer))
            for answer in answers
        )
        return [JudgedUnit((number, 0), tuple(examples))]


def config_of(work: dict[str, Any], path: str) -> RunConfig:
    return resolve(
        {
            "model": {"path": path},
            "method": {"type": "dpo", "beta": work["beta"]},
            "training": {"batch_size": work["batch_size"], "seed": work["seed"]},
            "adapter": {"rank": work["lora_rank"], "scale": work["lora_scale"]},
            "optimizer": {"name": "adam", "learning_rate": work["lr"]},
            "memory": {"backward": "layerwise" if work["checkpoint"] else "auto"},
        }
    )


def loop_of(config: RunConfig, work: dict[str, Any], folder: Path, losses: list[float | None]) -> Loop:
    policy = load_policy(config.model.path, config.adapter, seed=config.training.seed)
    limit_memory(budget_of(config.memory, read_host()))
    train = Chosen(TokenPairs(work), None)  # pyright: ignore[reportArgumentType]
    steps = work["batches"] * (1 + work["epochs"])

    def emit(event: Event) -> None:
        if event.type == "step":
            losses.append(event.metrics["loss"])

    longest = max(len(part) for batch in W.batches(work) for pair in batch for part in pair[1:])
    prompt = max(len(pair[0]) for batch in W.batches(work) for pair in batch)
    session = TrainingSession(
        config=config,
        policy=policy,
        train=train,
        valid=Chosen(TokenPairs({**work, "batches": 0}), None),  # pyright: ignore[reportArgumentType]
        batches=PromptBatches(train, config.training.batch_size, config.training.seed, shuffle=False),
        rewards=build_rewards((), max_completion_length=1),
        plan=plan_for(config, policy, prompt_length=prompt, answer_length=longest),
        control=Control(),
        emit=emit,
        world=World(),
        reader=PairReader(policy.tokenizer, config, policy.context_length),
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


recorder = sft_work.Recorder(mx, work)
losses: list[float | None] = []
with tempfile.TemporaryDirectory() as folder:
    loop = loop_of(config_of(work, path), work, Path(folder), losses)
    loop.session.plan = replace(loop.session.plan, **options)
    for _ in range(loop.span.total_steps):
        recorder.mark()
        loop.mind_memory(loop.advance())
recorder.mark()
found = recorder.summary(losses=losses, plan=loop.session.plan.sentence)
found["reference_cpu"] = recorder.warm_cpu() - found["step_cpu"]
# A run of one epoch scores the reference along: that belongs to its steps as it belongs to the peers'.
found["step_cpu"] += found["reference_cpu"]
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
print({key: round(value, 3) for key, value in found.items() if isinstance(value, float)}, found["plan"])
