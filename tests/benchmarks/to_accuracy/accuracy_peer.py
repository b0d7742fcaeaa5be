"""mlx-lm-lora's side: its own `train_grpo` with the same model, prompts, rewards, adapter and sampler.

usage: accuracy_peer.py WORK(inline JSON) OUT.json

Held-out rows are answered greedily by mlx-lm's `batch_generate` between its updates; those seconds are left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import accuracy_work as W  # noqa: E402
import mlx.core as mx  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
import numpy as np  # noqa: E402
from mlx_lm import batch_generate  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402
from mlx_lm.utils import load  # noqa: E402
from mlx_lm_lora.trainer import grpo_trainer  # noqa: E402

work = W.load(sys.argv[1])
np.random.seed(work["seed"])
mx.random.seed(work["seed"])
model, tokenizer = load(work["model"])
reference = load(work["model"])[0].freeze() if work["beta"] else None
model.freeze()
adapter = {"rank": work["rank"], "scale": work["scale"], "dropout": 0.0}
linear_to_lora_layers(model, len(model.layers), adapter)
mx.eval(model.parameters())


def tokens_of(row: dict[str, str]) -> list[int]:
    turns = [{"role": "user", "content": row["prompt"]}]
    return list(tokenizer.apply_chat_template(turns, add_generation_prompt=True))


def accuracy(*, completions: list[str], answer: list[str], **_: Any) -> list[float]:
    return [float(W.right(text, one)) for text, one in zip(completions, answer, strict=True)]


def form(*, completions: list[str], **_: Any) -> list[float]:
    return [float(bool(re.search(W.FORM, text))) for text in completions]


class Over(Exception):  # noqa: N818
    """The goal is kept: its trainer knows no other end."""


class Climber:
    """Adds up the updates' seconds and keeps the curve."""

    def __init__(self) -> None:
        self.curve: list[W.Point] = []
        self._rows = W.rows_of(work, "valid")[: work["rows"]]
        self._prompts = [tokens_of(row) for row in self._rows]
        self._cpu = 0.0
        self.look(0)

    def look(self, updates: int) -> None:
        """The held-out accuracy now. Raises Over."""
        model.eval()
        found = batch_generate(model, tokenizer, self._prompts, max_tokens=work["completion"]).texts
        share = np.mean([W.right(text, row["answer"]) for text, row in zip(found, self._rows, strict=True)])
        self.curve.append((updates, self._cpu, float(share)))
        model.train()
        if W.is_over(self.curve, work):
            raise Over
        self._since = time.process_time()

    def on_train_loss_report(self, info: dict[str, Any]) -> None:
        self._cpu += time.process_time() - self._since
        updates = int(info["iteration"])
        if updates % work["every"] == 0:
            self.look(updates)
        self._since = time.process_time()

    def on_val_loss_report(self, info: dict[str, Any]) -> None:
        """Held-out rows are looked at here alone."""


def batches(dataset: list[tuple[Any, ...]], batch_size: int, **_: Any) -> Iterator[tuple[Any, ...]]:
    """The rows in a new order in every epoch."""
    draw, waiting = random.Random(work["seed"]), []
    while True:
        while len(waiting) < batch_size:
            waiting += draw.sample(dataset, len(dataset))
        part, waiting = waiting[:batch_size], waiting[batch_size:]
        yield (*(list(column) for column in zip(*part, strict=True)), None)


rows = [(tokens_of(row), [1], row["prompt"], row["answer"]) for row in W.rows_of(work, "train")]
with (
    tempfile.TemporaryDirectory() as folder,
    Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    contextlib.redirect_stdout(nowhere),
    contextlib.suppress(Over),
):
    climber = Climber()
    settings = grpo_trainer.GRPOTrainingArgs(
        batch_size=work["prompts"],
        iters=work["updates"],
        steps_per_report=1,
        steps_per_eval=10**9,
        steps_per_save=10**9,
        max_seq_length=256,
        adapter_file=str(Path(folder) / "adapters.safetensors"),
        group_size=work["group"],
        beta=work["beta"],
        epsilon=0.2,
        max_completion_length=work["completion"],
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        reward_weights=list(W.WEIGHTS.values()),
    )
    grpo_trainer.train_grpo(
        model,
        reference,
        tokenizer,
        optim.AdamW(learning_rate=work["learning_rate"], weight_decay=0.0, bias_correction=True),
        rows,
        reward_funcs=[accuracy, form],
        args=settings,
        iterate_batches=batches,
        training_callback=climber,
        end_answer_token="",
    )
found = W.summary(climber.curve, work, peak_mb=mx.get_peak_memory() / 2**20)
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
print({key: value for key, value in found.items() if key != "curve"})
