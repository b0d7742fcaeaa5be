"""TRL's side: its own trainers on the processor, one thread, with the same model, rows, adapter and sampler.

usage: small_trl.py WORKLOAD(inline JSON) OUT.json

An evaluation is transformers' own greedy `generate` in batches of 125 rows: TRL has none that is greedy.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import small_work as W  # noqa: E402
import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback  # noqa: E402
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer  # noqa: E402

EVALUATED_TOGETHER = 125
#: a run's settings of a method -> TRL's of the same meaning
METHODS: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo", "beta": 0.04},
    "dr_grpo": {"loss_type": "dr_grpo", "beta": 0.0, "scale_rewards": "none"},
    "dapo": {"loss_type": "dapo", "beta": 0.0, "epsilon_high": 0.28, "mask_truncated_completions": True},
}


class Marks(TrainerCallback):
    """Tells the recorder where steps begin and end."""

    def __init__(self, recorder: W.Recorder) -> None:
        self._recorder = recorder

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._recorder.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._recorder.end()

    def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
        length = (logs or {}).get("completions/mean_length")
        self._recorder.lengths += [] if length is None else [length]


def said(completion: Any) -> str:
    """The text of a completion, of a conversation or plain."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def accuracy(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """1 where the last number is the answer."""
    found = [re.findall(r"-?\d+", said(one)) for one in completions]
    return [float(bool(one) and one[-1] == right) for one, right in zip(found, answer, strict=True)]


def ending(completions: list[Any], **_: Any) -> list[float]:
    """1 where the completion ends as the starter's should."""
    return [float(bool(re.search(r"The answer is -?\d+\.$", said(one)))) for one in completions]


def letters(completions: list[Any], **_: Any) -> list[float]:
    """Something that differs from text to text."""
    return [float(bool(re.search(W.TOLD_APART, said(one)))) for one in completions]


def common(work: dict[str, Any], folder: str) -> dict[str, Any]:
    return {
        "output_dir": folder,
        "max_steps": work["steps"] + work["warmup"],
        "learning_rate": work["learning_rate"],
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def grpo(work: dict[str, Any], folder: str, **given: Any) -> None:
    count = work["prompts"] * W.GROUP
    rows = [
        {"prompt": [{"role": "user", "content": row["prompt"]}], "answer": row.get("answer", "")}
        for row in W.rows_of(work["data"], "train")
    ]
    rewards = {"reward_funcs": [accuracy, ending]} if rows[0]["answer"] else {"reward_funcs": [letters]}
    settings = GRPOConfig(
        **common(work, folder),
        **METHODS[work["method"]["type"]],
        per_device_train_batch_size=count,
        num_generations=W.GROUP,
        max_completion_length=work["completion"],
        temperature=1.0,
        top_p=1.0,
        top_k=0,
    )
    GRPOTrainer(args=settings, train_dataset=Dataset.from_list(rows), **rewards, **given).train()


def sft(work: dict[str, Any], folder: str, **given: Any) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
        }
        for row in W.rows_of(work["data"], "train")
    ]
    settings = SFTConfig(**common(work, folder), per_device_train_batch_size=work["prompts"], max_length=256)
    SFTTrainer(args=settings, train_dataset=Dataset.from_list(rows), **given).train()


@torch.inference_mode()
def evaluate(work: dict[str, Any], recorder: W.Recorder, model: Any, tokenizer: Any) -> None:
    """Answers to the held-out rows, shorter prompts first so that little is padding."""
    model.eval()
    rows = W.rows_of(work["data"], "valid")[: work["rows"]]
    rows.sort(key=lambda row: len(row["prompt"]))
    for _ in range(work["steps"] + work["warmup"]):
        recorder.begin()
        right = 0
        for start in range(0, len(rows), EVALUATED_TOGETHER):
            part = rows[start : start + EVALUATED_TOGETHER]
            read = tokenizer.apply_chat_template(
                [[{"role": "user", "content": row["prompt"]}] for row in part],
                add_generation_prompt=True,
                return_tensors="pt",
                padding=True,
                return_dict=True,
            )
            written = model.generate(**read, max_new_tokens=work["completion"], do_sample=False)
            texts = tokenizer.batch_decode(written[:, read["input_ids"].shape[1] :], skip_special_tokens=True)
            right += sum(accuracy(texts, [row["answer"] for row in part]))
        recorder.end()
    recorder.accuracy = right / len(rows)


def main() -> None:
    work = W.load(sys.argv[1])
    torch.set_num_threads(1)
    recorder = W.Recorder(work["warmup"])
    model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(work["model"], padding_side="left")
    adapter = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    if work["kind"] == "evaluate":
        evaluate(work, recorder, get_peft_model(model, adapter), tokenizer)
    else:
        train = grpo if work["kind"] == "grpo" else sft
        with tempfile.TemporaryDirectory() as folder:
            train(
                work,
                folder,
                model=model,
                processing_class=tokenizer,
                peft_config=adapter,
                callbacks=[Marks(recorder)],
            )
    found = recorder.summary(peak_mb=None)
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    print({key: value for key, value in found.items() if key != "steps"})


if __name__ == "__main__":
    main()
