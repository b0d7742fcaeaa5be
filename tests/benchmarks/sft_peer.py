"""mlx_lm.lora's side of the supervised benchmark: its own `train`, fed with the benchmark's batches.

usage: sft_peer.py WORKLOAD(.json or inline JSON) OUT.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sft_work as W

work = W.load(sys.argv[1])
path = W.model_path(work)

import mlx.core as mx  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
import numpy as np  # noqa: E402
from mlx_lm.tuner.trainer import TrainingArgs, train  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402
from mlx_lm.utils import load  # noqa: E402

PAD_TO = 32  # as in mlx_lm.tuner.trainer.iterate_batches


def epochs(**_: Any) -> Iterator[tuple[mx.array, mx.array]]:
    """The benchmark's batches, padded as mlx-lm pads them, with the places of the first and last learnt token."""
    while True:
        for batch in W.batches(work):
            recorder.mark()
            lengths = [len(tokens) for tokens, _ in batch]
            width = 1 + PAD_TO * -(-max(lengths) // PAD_TO)
            padded = np.zeros((len(batch), width), np.int32)
            for line, (tokens, _) in enumerate(batch):
                padded[line, : len(tokens)] = tokens
            offsets = [read for _, read in batch]
            yield mx.array(padded), mx.array(list(zip(offsets, lengths, strict=True)))


class Told:
    """Keeps the losses that mlx-lm reports."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_loss_report(self, info: dict[str, Any]) -> None:
        self.losses.append(info["train_loss"])

    def on_val_loss_report(self, info: dict[str, Any]) -> None:
        """Nothing is held out."""


model, _ = load(path)
model.freeze()
mx.random.seed(work["seed"])
linear_to_lora_layers(
    model, len(model.layers), {"rank": work["lora_rank"], "scale": work["lora_scale"], "dropout": 0.0}
)
recorder, told = W.Recorder(mx, work), Told()
with tempfile.TemporaryDirectory() as folder:
    iters = work["batches"] * (1 + work["epochs"])
    train(
        model,
        optim.Adam(learning_rate=work["lr"], bias_correction=True),
        [None] * work["batch_size"],
        None,
        TrainingArgs(
            batch_size=work["batch_size"],
            iters=iters,
            steps_per_report=1,
            steps_per_eval=iters + 1,
            steps_per_save=iters + 1,
            adapter_file=str(Path(folder) / "adapters.safetensors"),
            grad_checkpoint=work["checkpoint"],
        ),
        iterate_batches=epochs,
        training_callback=told,  # pyright: ignore[reportArgumentType]
    )
# zip() in the trainer asks for one batch only after the count has run out, so the last update is marked here.
recorder.mark()
Path(sys.argv[2]).write_text(json.dumps(recorder.summary(losses=told.losses)), encoding="utf-8")
