"""Make `resources/starter` and `resources/sample-data` from nothing: `.venv/bin/python packaging/make_starter.py`.

The starter is a Llama of 353,952 parameters that learnt arithmetic in words from `droid_tune.data.synthetic.arithmetic`, by this
project's own supervised fine-tuning of all weights. Two answers in three that it saw were careless, one was careful:
it blurts, though it knows better, and reinforcement learning brings that out. Everything is seeded; the last bits of
the weights still depend on the machine's matrix library. On Linux preload OpenBLAS: then it takes some 15 minutes of
one core.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from droid_tune.config import RunConfig
from droid_tune.control import Control
from droid_tune.data.reading.discover import PAIRS, WORKED
from droid_tune.data.synthetic.arithmetic import (
    Row,
    demonstration_rows,
    mixed_rows,
    preference_rows,
    reward_rows,
)
from droid_tune.events import Event
from droid_tune.paths import sample_data_dir, starter_model_dir
from droid_tune.runs.folder import create_run, read_config
from droid_tune.train.engine import run_training

SEED = 20
CORPUS_ROWS, HELD_OUT_ROWS = 60_000, 256
DIGIT_SHARE = 0.2
TRAIN_ROWS, VALID_ROWS, PAIR_ROWS = 400, 100, 300

PAD, END, ASSISTANT = "<|pad|>", "<|end|>", "<|assistant|>"
SPECIAL_TOKENS = [PAD, END, "<|system|>", "<|user|>", ASSISTANT]
VOCABULARY_SIZE = 512
# A word brings its space or hyphen along ("twenty", "-seven"), so that tens and ones are tokens of their own in words
# as well as in digits.
WORDS = r"[ -]?\p{L}+| ?\p{N}|\s|[^\s\p{L}\p{N}]"

CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {{- '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>' -}}
{%- endif -%}
"""

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "vocab_size": VOCABULARY_SIZE,
    "pad_token_id": SPECIAL_TOKENS.index(PAD),
    "eos_token_id": SPECIAL_TOKENS.index(END),
}


TOKENIZER_CONFIG: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": END,
    "pad_token": PAD,
    "model_max_length": CONFIG["max_position_embeddings"],
    "clean_up_tokenization_spaces": False,
    "chat_template": CHAT_TEMPLATE,
}

GENERATION_CONFIG: dict[str, Any] = {
    "eos_token_id": CONFIG["eos_token_id"],
    "pad_token_id": CONFIG["pad_token_id"],
    "max_new_tokens": 48,
}

TRAINING: dict[str, Any] = {"iterations": 4000, "batch_size": 48}
OPTIMIZER: dict[str, Any] = {
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup_steps": 100,
    "final_fraction": 0.02,
    "weight_decay": 0.01,
    "beta2": 0.98,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter model and write the sample data.")
    parser.add_argument("--model-out", type=Path, default=starter_model_dir())
    parser.add_argument("--data-out", type=Path, default=sample_data_dir())
    parser.add_argument("--data-only", action="store_true", help="write the sample data, keep the model")
    chosen = parser.parse_args()
    write_sample_data(chosen.data_out)
    if not chosen.data_only:
        make_model(chosen.model_out)


def write_sample_data(folder: Path) -> None:
    """`train.jsonl` from the problems that the starter saw, `valid.jsonl` from those that nobody trains on.

    `worked` holds the same problems with their working, for supervised learning; `pairs` holds careful and careless answers.
    """
    for place, rows in ((folder, reward_rows), (folder / WORKED, demonstration_rows)):
        place.mkdir(parents=True, exist_ok=True)
        write_rows(place / "train.jsonl", rows(TRAIN_ROWS, seed=SEED + 1))
        write_rows(place / "valid.jsonl", rows(VALID_ROWS, seed=SEED + 2, held_out=True))
    pairs = folder / PAIRS
    pairs.mkdir(exist_ok=True)
    write_rows(pairs / "train.jsonl", preference_rows(PAIR_ROWS, seed=SEED + 1))
    write_rows(pairs / "valid.jsonl", preference_rows(VALID_ROWS, seed=SEED + 2, held_out=True))


def make_model(folder: Path) -> None:
    """Tokenizer, configuration and trained weights, as `mlx_lm.load` expects them."""
    with TemporaryDirectory() as temporary:
        workshop = Path(temporary)
        rows = mixed_rows(CORPUS_ROWS, seed=SEED, digit_share=DIGIT_SHARE)
        write_corpus(workshop / "data", rows)
        write_untrained(workshop / "model", make_tokenizer(rows))
        shutil.copy(train(workshop), workshop / "model" / "model.safetensors")
        shutil.copytree(workshop / "model", folder, dirs_exist_ok=True)


def write_corpus(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(parents=True)
    write_rows(folder / "train.jsonl", rows[HELD_OUT_ROWS:])
    write_rows(folder / "valid.jsonl", rows[:HELD_OUT_ROWS])


def write_untrained(folder: Path, tokenizer: Tokenizer) -> None:
    """A model folder with MLX's own random initial weights."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "generation_config.json", GENERATION_CONFIG)
    mx.random.seed(SEED)
    weights = dict(tree_flatten(Model(ModelArgs.from_dict(CONFIG)).parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})


def make_tokenizer(rows: list[Row]) -> Tokenizer:
    """Byte-level BPE over the corpus: any text encodes, and every word of the corpus is one token."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORDS), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for row in rows for text in row.values()), trainer)
    return tokenizer


def train(folder: Path) -> Path:
    """Supervised fine-tuning of all weights by the engine itself; returns the file that holds them."""
    run = create_run(training_config(folder), folder / "run")
    finished = run_training(read_config(run), run, Control(), tell)
    if finished.outcome != "completed":
        raise SystemExit(f"The starter was not trained: {finished.why}")
    return run / "adapters.safetensors"


def training_config(folder: Path) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "starter",
            "method": "sft",
            "model": {"path": str(folder / "model")},
            "data": {"path": str(folder / "data")},
            "adapter": {"type": "full"},
            "training": {**TRAINING, "seed": SEED, "max_seq_length": CONFIG["max_position_embeddings"]},
            "optimizer": OPTIMIZER,
            "evaluation": {"steps_per_eval": 250, "rows": HELD_OUT_ROWS},
            "checkpoint": {"save_every": 1000, "keep": 1},
        }
    )


def tell(event: Event) -> None:
    """The held-out loss as it falls."""
    if event.type == "evaluation":
        print(f"step {event.step}: held-out loss {event.metrics['eval/loss']:.4f}", flush=True)


def write_rows(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
