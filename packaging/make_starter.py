"""Make `resources/starter` and `resources/sample-data` from nothing: `.venv/bin/python packaging/make_starter.py`.

The starter is a Llama of about 350,000 parameters that learnt arithmetic in words from `droid_tune.data.arithmetic`:
five answers in eight are careless, three are careful. So it blurts, though it knows better, and reinforcement learning
brings that out. Everything is seeded; the last bits of the weights still depend on the machine's matrix library.
It takes about twenty minutes on two CPU cores with OpenBLAS preloaded, two on a Mac's GPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from droid_tune.data.arithmetic import Row, demonstration_rows, reward_rows
from droid_tune.paths import sample_data_dir, starter_model_dir

SEED = 20
CAREFUL_SHARE = 0.375
DIGIT_SHARE = 0.2
CORPUS_ROWS = 120_000
STEPS = 5_000
BATCH_SIZE = 48
LEARNING_RATE = 3e-3
WARM_UP_STEPS = 100
TRAIN_ROWS, VALID_ROWS = 400, 100

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
    """`train.jsonl` from the problems that the starter saw, `valid.jsonl` from those that nobody trains on."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "train.jsonl", reward_rows(TRAIN_ROWS, seed=SEED + 1))
    write_rows(folder / "valid.jsonl", reward_rows(VALID_ROWS, seed=SEED + 2, held_out=True))


def make_model(folder: Path) -> None:
    """Tokenizer, configuration and trained weights, as `mlx_lm.load` expects them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = demonstration_rows(CORPUS_ROWS, seed=SEED, careful_share=CAREFUL_SHARE, digit_share=DIGIT_SHARE)
    tokenizer = make_tokenizer(rows)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "generation_config.json", generation_config())
    model = train(tokenizer, rows)
    weights = dict(tree_flatten(model.parameters()))
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


def tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": CONFIG["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def generation_config() -> dict[str, Any]:
    return {
        "eos_token_id": CONFIG["eos_token_id"],
        "pad_token_id": CONFIG["pad_token_id"],
        "max_new_tokens": 48,
    }


def train(tokenizer: Tokenizer, rows: list[Row]) -> Model:
    """AdamW with warm-up and cosine on the cross-entropy of the answers."""
    mx.random.seed(SEED)
    model = Model(ModelArgs.from_dict(CONFIG))
    schedule = optim.join_schedules(
        [
            optim.linear_schedule(1e-5, LEARNING_RATE, WARM_UP_STEPS),
            optim.cosine_decay(LEARNING_RATE, STEPS - WARM_UP_STEPS, LEARNING_RATE / 50),
        ],
        [WARM_UP_STEPS],
    )
    optimizer = optim.AdamW(schedule, betas=[0.9, 0.98])
    loss_and_gradients = nn.value_and_grad(model, answer_loss)
    for step, (tokens, mask) in enumerate(batches(tokenizer, rows), 1):
        loss, gradients = loss_and_gradients(model, tokens, mask)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.state, optimizer.state)
        if step % 250 == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    return model


def answer_loss(model: Model, tokens: mx.array, mask: mx.array) -> mx.array:
    """Mean cross-entropy over the answers' tokens; `tokens` and `mask` are (N, T)."""
    losses = nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
    return (losses * mask[:, 1:]).sum() / mask[:, 1:].sum()


def batches(tokenizer: Tokenizer, rows: list[Row]) -> Iterator[tuple[mx.array, mx.array]]:
    random = Random(SEED)
    for _ in range(STEPS):
        yield padded([encode(tokenizer, row) for row in random.sample(rows, BATCH_SIZE)])


def encode(tokenizer: Tokenizer, row: Row) -> tuple[list[int], list[int]]:
    """The ids of the templated prompt and of the answer with its end token."""
    prompt = f"<|user|>{row['prompt']}{END}{ASSISTANT}"
    return tokenizer.encode(prompt).ids, tokenizer.encode(row["completion"] + END).ids


def padded(pairs: list[tuple[list[int], list[int]]]) -> tuple[mx.array, mx.array]:
    """Ids (N, T), padded on the right, and 1 where an id belongs to an answer (N, T)."""
    width = max(len(prompt) + len(answer) for prompt, answer in pairs)
    tokens = np.full((len(pairs), width), SPECIAL_TOKENS.index(PAD), np.int32)
    mask = np.zeros((len(pairs), width), np.float32)
    for row, (prompt, answer) in enumerate(pairs):
        end = len(prompt) + len(answer)
        tokens[row, :end] = prompt + answer
        mask[row, len(prompt) : end] = 1
    return mx.array(tokens), mx.array(mask)


def write_rows(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
