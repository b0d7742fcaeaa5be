"""TRL's side of the DPO benchmark: its own DPOTrainer on the processor, fed with the benchmark's pairs.

usage: dpo_trl.py WORKLOAD(.json or inline JSON) OUT.json

PyTorch counts no memory on a processor, so `peak_mb` is how far the process grew while it trained, weights included.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dpo_work as W
import torch
import workload
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

work = W.load(sys.argv[1])
# Another side has made the model: that takes MLX.
path = workload.model_dir(workload.load({key: work[key] for key in ("size", "vocab", "dtype", "qbits")}))
pairs = W.batches(work)


class Prepared(DPOTrainer):
    """Takes tokens as they are."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class Marks(TrainerCallback):
    """Seconds of processor time at the beginning of each step and at the end."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []
        self.losses: list[float] = []

    def _mark(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.marks.append((time.perf_counter(), used.ru_utime + used.ru_stime))

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._mark()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._mark()

    def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


torch.set_num_threads(1)
before = resident_mb()
rows = [pair for batch in pairs for pair in batch]
columns = {
    name: [pair[at] for pair in rows] for at, name in enumerate(("prompt_ids", "chosen_ids", "rejected_ids"))
}
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
told, batches = Marks(), len(pairs)
with tempfile.TemporaryDirectory() as folder:
    trainer = Prepared(
        model=model,
        args=DPOConfig(
            output_dir=folder,
            beta=work["beta"],
            per_device_train_batch_size=work["batch_size"],
            max_steps=batches * (1 + work["epochs"]),
            learning_rate=work["lr"],
            lr_scheduler_type="constant",
            logging_steps=1,
            gradient_checkpointing=bool(work["checkpoint"]),
            bf16=False,
            use_cpu=True,
            max_length=None,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_dict(columns),
        processing_class=AutoTokenizer.from_pretrained(path),
        peft_config=LoraConfig(
            r=work["lora_rank"],
            lora_alpha=work["lora_scale"] * work["lora_rank"],
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[told],
    )
    trainer.train()
(first_wall, first_cpu), (last_wall, last_cpu) = told.marks[batches], told.marks[-1]
steps = len(told.marks) - 1 - batches
found = {
    "step_wall": (last_wall - first_wall) / steps,
    "step_cpu": (last_cpu - first_cpu) / steps,
    "peak_mb": resident_mb() - before,
    "rss_max_mb": resident_mb(),
    "losses": told.losses,
}
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
