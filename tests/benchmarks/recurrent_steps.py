"""A training step of tiny recurrent models, by chunks and by mlx-lm's own loops, alternately in one process.

    python -m tests.benchmarks.recurrent_steps [--tokens 2048] [--rounds 3] [--kind sft|grpo] [--no-loop] [--lora] [--dense]
                                               [FAMILY ...]

SFT: one row of so many tokens, the second half of them learnt. GRPO: a prompt of half as many tokens shared by four
completions of a quarter each. Prints a line of JSON per family: CPU seconds (medians) and peak bytes beyond the
weights of both, and their ratios; `llama` is the dense model of equal width and depth. With --lora also the gradient of
`mlx_lm.lora`, its own loss and adapters, on the same row (SFT); with --dense the step of a Llama of as many layers and as
many weights in them, whose feed-forward part is widened (of experts those count that a token asks).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.trainer import default_loss
from mlx_lm.tuner.utils import linear_to_lora_layers

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import ScoringRows, loss_and_gradients
from droid_tune.model.kernels import own_kernels
from droid_tune.model.kernels.in_force import Kernels
from droid_tune.model.policy import Policy
from tests.engine.model import tiny
from tests.engine.model.recurrent import RECURRENT

WIDTH = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
         "head_dim": 32, "max_position_embeddings": 16384}  # fmt: skip
DELTA = {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 64,
         "linear_value_head_dim": 64}  # fmt: skip
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 32, "mamba_d_state": 64}
#: what makes a tiny model of the tests a little larger
LARGER: dict[str, dict[str, Any]] = {
    "llama": WIDTH,
    "qwen3_next": {**WIDTH, **DELTA},
    "qwen3_5": {"text_config": {**RECURRENT["qwen3_5"]["text_config"], **WIDTH, **DELTA}},
    "olmo_hybrid": {**WIDTH, **DELTA},
    "kimi_linear": {
        **WIDTH,
        "linear_attn_config": {**RECURRENT["kimi_linear"]["linear_attn_config"], "head_dim": 64},
    },
    "mamba2": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_heads": 8,
        "head_dim": 32,
        "state_size": 64,
    },
    "nemotron_h": {**WIDTH, "mamba_num_heads": 8, "mamba_head_dim": 32, "ssm_state_size": 64},
    "falcon_h1": {**WIDTH, **MAMBA, "mamba_d_ssm": 256},
    "granitemoehybrid": {**WIDTH, **MAMBA},
    "lfm2": {**WIDTH, "block_dim": 128, "block_ff_dim": 256},
    "bailing_moe_linear": {**WIDTH, "num_key_value_heads": 4},
    "rwkv7": {"hidden_size": 128, "intermediate_size": 256, "head_dim": 64},
}


def rows_of(kind: str, tokens: int) -> ScoringRows:
    rng = np.random.default_rng(0)
    prompt = rng.integers(2, tiny.VOCABULARY, tokens // 2).tolist()
    count, length = (1, tokens // 2) if kind == "sft" else (4, tokens // 4)
    completions = rng.integers(2, tiny.VOCABULARY, (count, length)).astype(np.int32)
    return ScoringRows.of_groups([prompt], count, completions, np.ones((count, length), dtype=np.float32))


def step(policy: Policy, rows: ScoringRows, plan: MemoryPlan) -> tuple[float, int]:
    """CPU seconds, and the most bytes beyond what was held before."""

    def loss(_: Any, logprobs: mx.array, __: Any) -> tuple[mx.array, dict[str, mx.array]]:
        return -logprobs.mean(), {}

    mx.clear_cache()
    held = mx.get_active_memory()
    mx.reset_peak_memory()
    start = time.process_time()
    mx.eval(loss_and_gradients(policy, rows, loss, temperature=1.0, plan=plan)[:2])
    return time.process_time() - start, mx.get_peak_memory() - held


@contextmanager
def loops() -> Generator[None]:
    """Inside, recurrences go token by token, as mlx-lm has them."""

    def without_chunks(*kernels: Any, **further: Any) -> Kernels:
        return Kernels(*kernels[:3], **further)

    own_kernels.Kernels = without_chunks
    try:
        yield
    finally:
        own_kernels.Kernels = Kernels


def lora_step(family: str, rows: ScoringRows) -> tuple[float, int]:
    """CPU seconds and bytes of mlx-lm's own gradient of the same row, all of it answer."""
    model = tiny.tiny_model(family, **LARGER[family])
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), {"rank": 4, "scale": 2.0, "dropout": 0.0})
    tokens = mx.array([[*rows.prompts[0], *rows.tokens[0].tolist()]])
    lengths = mx.array([[len(rows.prompts[0]), tokens.shape[1]]])
    gradient = nn.value_and_grad(model, default_loss)
    mx.eval(model.parameters(), tokens, lengths)
    mx.clear_cache()
    held = mx.get_active_memory()
    mx.reset_peak_memory()
    start = time.process_time()
    mx.eval(gradient(model, tokens, lengths))
    return time.process_time() - start, mx.get_peak_memory() - held


def asked_weights(model: nn.Module) -> float:
    """Weights of the layers that a token goes through."""
    share = 1.0
    for _, module in model.named_modules():
        experts, chosen = getattr(module, "num_experts", 0), getattr(module, "top_k", 0)
        asked = getattr(getattr(module, "args", None), "num_experts_per_token", chosen)
        if isinstance(experts, int) and experts and asked:
            share = asked / experts
    weights = tree_flatten([layer.parameters() for layer in model.layers])
    return sum(array.size * (share if "switch_mlp" in name else 1) for name, array in weights)


def dense_twin(family: str) -> Policy:
    """A Llama of as many layers and, nearly, as many weights in them."""
    wanted = asked_weights(tiny.tiny_model(family, **LARGER[family]))
    layers = len(tiny.tiny_model(family, **LARGER[family]).layers)
    without = asked_weights(
        tiny.tiny_model("llama", **WIDTH | {"intermediate_size": 8, "num_hidden_layers": layers})
    )
    wide = 8 + round((wanted - without) / (layers * 3 * WIDTH["hidden_size"]))
    return tiny.tiny_policy(
        "llama", **WIDTH | {"intermediate_size": max(8, wide), "num_hidden_layers": layers}
    )


def measure(
    family: str, kind: str, tokens: int, rounds: int, *, with_loop: bool, with_lora: bool, with_dense: bool
) -> dict[str, Any]:
    twin = dense_twin(family) if with_dense else None
    policy = tiny.tiny_policy(family, **LARGER[family])
    rows, plan = rows_of(kind, tokens), MemoryPlan(train_rows=1, layer_wise=True)
    found: dict[str, list[tuple[float, int]]] = {"chunks": [], "loop": [], "lora": [], "dense": []}
    for _ in range(rounds):
        found["chunks"].append(step(policy, rows, plan))
        if with_loop:
            with loops():
                found["loop"].append(step(policy, rows, plan))
        if twin is not None:
            found["dense"].append(step(twin, rows, plan))
        if with_lora:
            found["lora"].append(lora_step(family, rows))
    told: dict[str, Any] = {"family": family, "kind": kind, "tokens": tokens}
    for name, measured in found.items():
        if measured:
            told[name] = {
                "cpu_seconds": round(statistics.median(seconds for seconds, _ in measured), 3),
                "peak_bytes": round(statistics.median(peak for _, peak in measured)),
            }
    for other in ("loop", "lora", "dense"):
        if other in told:
            told[f"speed beside {other}"] = round(
                told[other]["cpu_seconds"] / told["chunks"]["cpu_seconds"], 2
            )
            told[f"memory beside {other}"] = round(
                told["chunks"]["peak_bytes"] / told[other]["peak_bytes"], 3
            )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", default=[])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=("sft", "grpo"), default="sft")
    parser.add_argument("--no-loop", action="store_true")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--dense", action="store_true")
    options = parser.parse_args()
    tiny.CONFIGS.update(RECURRENT)
    for family in options.families or LARGER:
        with_loop = not options.no_loop and family not in ("llama", "lfm2")
        measured = measure(
            family,
            options.kind,
            options.tokens,
            options.rounds,
            with_loop=with_loop,
            with_lora=options.lora and options.kind == "sft",
            with_dense=options.dense,
        )
        print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
