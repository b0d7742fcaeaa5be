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
from droid_tune.estimate.job import DataLengths  # noqa: E402
from droid_tune.train.learners.pairs.judged_rows import JudgedUnit  # noqa: E402
from droid_tune.train.rows.examples import TrainingExample  # noqa: E402
from droid_tune.train.rows.row_reader import RowReader  # noqa: E402
from tests.benchmarks.token_loop import loop_of  # noqa: E402


class PairReader(RowReader):
    """Nothing is rendered."""

    def judged(self, number: int, row: dict[str, Any]) -> list[JudgedUnit]:
        prompt, *answers = row["row"]
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


recorder = sft_work.Recorder(mx, work)
losses: list[float | None] = []
with tempfile.TemporaryDirectory() as folder:
    pairs = [pair for batch in W.batches(work) for pair in batch]
    asked = max(len(prompt) for prompt, *_ in pairs)
    longest = max(len(answer) for _, *answers in pairs for answer in answers)
    loop = loop_of(
        config_of(work, path),
        pairs,
        PairReader,
        Path(folder),
        losses,
        work["batches"] * (1 + work["epochs"]),
        DataLengths(asked, asked, longest, longest),
    )
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
