"""Make `resources/starter` and `resources/sample-data` from nothing: `.venv/bin/python packaging/make_starter.py`.

The starter is a Llama of 353,952 parameters that learnt arithmetic in words from `droid_tune.data.synthetic.arithmetic`, by this
project's own supervised fine-tuning of all weights. Two answers in three that it saw were careless, one was careful:
it blurts, though it knows better, and reinforcement learning brings that out. Everything is seeded; the last bits of
the weights still depend on the machine's matrix library. On Linux preload OpenBLAS: then it takes some 15 minutes of
one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from starter_workshop import END, PAD, Recipe, make_model, write_rows

from droid_tune.data.reading.discover import PAIRS, WORKED
from droid_tune.data.synthetic.arithmetic import (
    demonstration_rows,
    mixed_rows,
    preference_rows,
    reward_rows,
)
from droid_tune.paths import sample_data_dir, starter_model_dir

SEED = 20
CORPUS_ROWS = 60_000
DIGIT_SHARE = 0.2
TRAIN_ROWS, VALID_ROWS, PAIR_ROWS = 400, 100, 300

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

RECIPE = Recipe(
    name="starter",
    seed=SEED,
    special=[PAD, END, "<|system|>", "<|user|>", "<|assistant|>"],
    words=WORDS,
    template=CHAT_TEMPLATE,
    shape={
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "max_position_embeddings": 256,
        "vocab_size": 512,
    },
    longest_answer=48,
    training={"iterations": 4000, "batch_size": 48},
    optimizer={
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "warmup_steps": 100,
        "final_fraction": 0.02,
        "weight_decay": 0.01,
        "beta2": 0.98,
    },
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter model and write the sample data.")
    parser.add_argument("--model-out", type=Path, default=starter_model_dir())
    parser.add_argument("--data-out", type=Path, default=sample_data_dir())
    parser.add_argument("--data-only", action="store_true", help="write the sample data, keep the model")
    chosen = parser.parse_args()
    write_sample_data(chosen.data_out)
    if not chosen.data_only:
        rows = mixed_rows(CORPUS_ROWS, seed=SEED, digit_share=DIGIT_SHARE)
        make_model(RECIPE, rows, (text for row in rows for text in row.values()), chosen.model_out)


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


if __name__ == "__main__":
    main()
