"""mlx-lm-lora's side of the DPO benchmark: its own `train_dpo`, fed with the benchmark's batches.

usage: dpo_peer.py WORKLOAD(.json or inline JSON) OUT.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import dpo_work as W
import sft_work

work = W.load(sys.argv[1])
path = sft_work.model_path(work)

import mlx.core as mx  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
import numpy as np  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402
from mlx_lm.utils import load  # noqa: E402
from mlx_lm_lora.trainer import dpo_trainer  # noqa: E402

remaining = cycle(W.batches(work))


def padded(batch: list[W.Pair], answer: int) -> tuple[mx.array, mx.array]:
    """One side's rows to their own greatest length, and the mask of the answers."""
    rows = [pair[0] + pair[answer] for pair in batch]
    shape = (len(rows), max(map(len, rows)))
    tokens, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for line, (row, pair) in enumerate(zip(rows, batch, strict=True)):
        tokens[line, : len(row)] = row
        mask[line, len(pair[0]) : len(row)] = 1.0
    return mx.array(tokens), mx.array(mask)


def one_batch(**_: Any) -> Iterator[tuple[mx.array, ...]]:
    recorder.mark()
    batch = next(remaining)
    (chosen, chosen_mask), (rejected, rejected_mask) = padded(batch, 1), padded(batch, 2)
    yield chosen, rejected, chosen_mask, rejected_mask


class Told:
    """Keeps the losses that are reported."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_loss_report(self, info: dict[str, Any]) -> None:
        self.losses.append(info["train_loss"])

    def on_val_loss_report(self, info: dict[str, Any]) -> None:
        """Nothing is held out."""


model, _ = load(path)
reference, _ = load(path)
model.freeze()
reference.freeze()
mx.random.seed(work["seed"])
linear_to_lora_layers(
    model, len(model.layers), {"rank": work["lora_rank"], "scale": work["lora_scale"], "dropout": 0.0}
)
recorder, told = sft_work.Recorder(mx, work), Told()
# Its trainer asks for a limit that only Metal has.
mx.device_info = lambda: {"max_recommended_working_set_size": 0}
mx.set_wired_limit = lambda _: 0
dpo_trainer.iterate_dpo_batches = one_batch
with tempfile.TemporaryDirectory() as folder:
    iters = work["batches"] * (1 + work["epochs"])
    dpo_trainer.train_dpo(
        model,
        reference,
        optim.Adam(learning_rate=work["lr"], bias_correction=True),
        [None] * work["batch_size"],
        None,
        dpo_trainer.DPOTrainingArgs(
            batch_size=work["batch_size"],
            iters=iters,
            steps_per_report=1,
            steps_per_eval=iters + 1,
            steps_per_save=iters + 1,
            adapter_file=str(Path(folder) / "adapters.safetensors"),
            grad_checkpoint=work["checkpoint"],
            beta=work["beta"],
        ),
        training_callback=told,
    )
recorder.mark()
Path(sys.argv[2]).write_text(json.dumps(recorder.summary(losses=told.losses)), encoding="utf-8")
