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
from droid_tune.train.rows.examples import TrainingExample  # noqa: E402
from droid_tune.train.rows.row_reader import RowReader  # noqa: E402
from tests.benchmarks.token_loop import loop_of  # noqa: E402


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


recorder = W.Recorder(mx, work)
losses: list[float | None] = []
with tempfile.TemporaryDirectory() as folder:
    rows = [row for batch in W.batches(work) for row in batch]
    steps = work["batches"] * (1 + work["epochs"])
    loop = loop_of(config_of(work, path), rows, TokenReader, Path(folder), losses, steps)
    loop.session.plan = replace(loop.session.plan, **options)
    for _ in range(loop.span.total_steps):
        recorder.mark()
        loop.mind_memory(loop.advance())
recorder.mark()
found = recorder.summary(losses=losses, plan=loop.session.plan.sentence)
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
print({key: round(value, 3) for key, value in found.items() if isinstance(value, float)}, found["plan"])
