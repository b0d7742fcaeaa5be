"""The update's estimate against seen peaks, family by family: random models, gradients by the engine's own passes.

    python -m tests.benchmarks.estimate_by_family [--tokens 1024] [--narrow] [FAMILY ...]

SFT: one row of so many tokens. GRPO: a prompt of half as many shared by four completions of a quarter each. Whole and layer by
layer, LoRA of rank 8. --narrow: the model in bfloat16 (without experts, whose products MLX has in float32 alone on processors).
"""

from __future__ import annotations

import argparse
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from droid_tune.config import resolve
from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.estimate.job import StepJob
from droid_tune.estimate.memory import update_parts
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.footprint import footprint
from droid_tune.model.policy import Policy
from tests.benchmarks.recurrent_steps import LARGER, rows_of, step
from tests.engine.model import tiny
from tests.engine.model.recurrent import RECURRENT

WIDE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 16384,
    "vocab_size": 4096,
}
EXPERTS = {"num_experts": 32, "num_experts_per_tok": 8}
FAMILIES: dict[str, dict[str, Any]] = {
    **LARGER,
    "mistral": WIDE,
    "qwen3": WIDE,
    "gemma2": {**WIDE, "sliding_window": 1024},
    "gemma3_text": {**WIDE, "sliding_window": 128},
    "qwen3_moe": {**WIDE, **EXPERTS, "moe_intermediate_size": 96},
    "olmoe": {**WIDE, **EXPERTS, "intermediate_size": 96},
    "mixtral": {**WIDE, "num_local_experts": 8, "num_experts_per_tok": 2},
    "gpt_oss": {
        **WIDE,
        "num_local_experts": 8,
        "num_experts_per_tok": 4,
        "intermediate_size": 256,
        "sliding_window": 128,
    },
}


def policy_of(family: str, *, narrow: bool) -> Policy:
    """A random model with an adapter of rank 8."""
    policy = tiny.tiny_policy(family, AdapterConfig(rank=8, scale=2.0), **FAMILIES[family])
    if narrow:
        weights = [
            (name, array.astype(mx.bfloat16))
            for name, array in cast("list[tuple[str, mx.array]]", tree_flatten(policy.model.parameters()))
            if array.dtype == mx.float32 and "lora_" not in name
        ]
        policy.model.update(tree_unflatten(weights))
    return policy


def compare(family: str, tokens: int, *, narrow: bool) -> None:
    """Print what is told and what is seen of each kind of step."""
    policy = policy_of(family, narrow=narrow)
    sizes = footprint(policy, resolve({"adapter": {"rank": 8}}))
    jobs = {
        "sft": StepJob(False, 1, 1, 0, tokens, tokens // 2, tokens // 2, 1, 1),
        "grpo": StepJob(True, 1, 4, tokens // 2, tokens // 4, tokens // 2, tokens // 4, 1, 4),
    }
    for kind, job in jobs.items():
        for layered in (False, True) if sizes.layer_wise else (False,):
            plan = MemoryPlan(
                train_rows=1, head_tokens=64, layer_wise=layered, share_prompts=job.reinforcement
            )
            told, seen = (
                sum(update_parts(sizes, job, plan).values()),
                step(policy, rows_of(kind, tokens), plan)[1],
            )
            way = "layer by layer" if layered else "whole"
            print(
                f"{told / seen - 1:+5.0%}  {told / 1e6:7.1f} MB told  {seen / 1e6:7.1f} MB seen  {family} {kind} {way}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", default=[])
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--narrow", action="store_true")
    options = parser.parse_args()
    tiny.CONFIGS.update(RECURRENT, mixtral=tiny.BASE, olmoe=tiny.BASE)
    for family in options.families or FAMILIES:
        compare(family, options.tokens, narrow=options.narrow)


if __name__ == "__main__":
    main()
