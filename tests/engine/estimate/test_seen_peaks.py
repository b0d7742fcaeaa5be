"""The formulas against peaks that were seen: gradients of random Llama models, by the engine's own passes (2026-12-01).

Each is what `mx.get_peak_memory` said beyond what was there before. New ones are measured by estimate_accuracy.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.estimate.grading_model import GradingModel
from droid_tune.estimate.job import StepJob, job_of
from droid_tune.estimate.memory import update_parts
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import Sizes, sizes_of
from droid_tune.model_files.read_facts import facts_of
from tests.engine.model.recurrent import RECURRENT

COMMON = {"model_type": "llama", "tie_word_embeddings": True, "torch_dtype": "float32"}
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
    "small": {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 8192,
    },
}
WHOLE, SHARED, LAYERED = (
    MemoryPlan(share_prompts=False),
    MemoryPlan(share_prompts=True),
    MemoryPlan(share_prompts=False, layer_wise=True),
)
LAYERED_ON_PROMPT, SEGMENTED = MemoryPlan(layer_wise=True), MemoryPlan(segment_tokens=128)


def sizes_for(shape: str, adapter: str, rank: int) -> tuple[Sizes, int]:
    """The model's sizes under an adapter, and what is there before a step."""
    facts = facts_of({**COMMON, **SHAPES[shape]}, ())
    found = sizes_of(resolve({"adapter": {"type": adapter, "rank": rank}}), facts, "cpu")
    return found, found.weights + found.adapters + found.optimizer


@pytest.mark.parametrize(
    ("shape", "adapter", "rank", "groups", "lengths", "plan", "train_rows", "seen_mb"),
    [
        ("tiny", "lora", 8, (4, 4), (25, 64), WHOLE, 16, 38.3),
        ("tiny", "lora", 8, (4, 4), (25, 64), SHARED, 4, 8.4),
        ("tiny", "lora", 8, (64, 1), (8, 16), WHOLE, 64, 40.5),
        ("tiny", "lora", 128, (16, 1), (8, 80), WHOLE, 16, 39.4),
        ("small", "lora", 8, (4, 4), (128, 64), WHOLE, 4, 102.4),
        ("small", "lora", 8, (2, 4), (128, 64), SHARED, 2, 27.4),
        ("small", "lora", 8, (1, 2), (128, 64), LAYERED, 2, 25.8),
        ("small", "lora", 64, (1, 4), (64, 64), SHARED, 2, 31.5),
        ("small", "lora", 128, (2, 1), (64, 64), WHOLE, 2, 37.6),
        ("small", "lora", 128, (2, 1), (64, 64), LAYERED, 2, 30.2),
        ("small", "dora", 64, (2, 1), (64, 64), WHOLE, 2, 52.4),
        ("small", "lora", 8, (1, 8), (128, 2048), SHARED, 1, 281.0),
        ("small", "lora", 8, (1, 8), (128, 2048), LAYERED_ON_PROMPT, 1, 131.4),
        ("small", "lora", 8, (1, 8), (128, 2048), SEGMENTED, 1, 88.2),
        ("small", "lora", 8, (1, 8), (128, 2048), replace(SEGMENTED, layer_wise=True), 1, 77.3),
        ("small", "lora", 8, (1, 8), (128, 512), SEGMENTED, 1, 36.5),
        ("small", "lora", 8, (1, 8), (1024, 128), SHARED, 1, 71.5),
        ("small", "lora", 8, (1, 8), (1024, 128), SEGMENTED, 1, 59.2),
        ("tiny", "full", 8, (4, 4), (25, 64), WHOLE, 16, 45.2),
        ("tiny", "full", 8, (16, 1), (25, 64), WHOLE, 4, 13.1),
        ("tiny", "full", 8, (32, 1), (8, 80), WHOLE, 32, 92.9),
        ("small", "full", 8, (1, 1), (32, 96), WHOLE, 1, 43.6),
        ("small", "full", 8, (8, 1), (32, 96), WHOLE, 8, 158.3),
        ("small", "full", 8, (4, 4), (128, 64), WHOLE, 4, 141.9),
        ("small", "full", 8, (2, 4), (128, 64), SHARED, 2, 64.4),
        ("small", "full", 8, (1, 2), (128, 64), LAYERED, 2, 58.2),
    ],
)
def test_gradients_take_what_they_were_seen_to_take(
    shape: str,
    adapter: str,
    rank: int,
    groups: tuple[int, int],
    lengths: tuple[int, int],
    plan: MemoryPlan,
    train_rows: int,
    seen_mb: float,
) -> None:
    found, before = sizes_for(shape, adapter, rank)
    (prompts, group), (prompt, answer) = groups, lengths
    job = StepJob(True, prompts, group, prompt, answer, prompt, answer, 1, prompts * group)
    chunk = 1024 if shape == "tiny" else 64
    update = update_parts(
        found,
        job,
        replace(plan, train_rows=train_rows, head_tokens=chunk),
    )
    error = (sum(update.values()) + before) / (seen_mb * 1e6 + before) - 1
    assert -0.1 < error < 0.15, update


@pytest.mark.parametrize(
    ("changes", "vocabulary", "arrays"),
    [
        ({"distillation_alpha": 0.5}, 8192, 17.0),
        ({"distillation_alpha": 0.0}, 8192, 13.0),
        ({"distillation_alpha": 0.5, "distillation_mode": "topk_logits"}, 32768, 10.13),
        ({"distillation_alpha": 0.5, "distillation_mode": "topk_logits"}, 512, 18.2),
        ({"distillation_alpha": 1.0, "distillation_mode": "sampled_token"}, 512, 0.0),
    ],
)
def test_a_chunk_that_is_compared_with_a_teacher_takes_what_it_was_seen_to_take(
    changes: dict[str, Any], vocabulary: int, arrays: float
) -> None:
    config = resolve({"method": {"type": "self_distillation", **changes}})
    job = job_of(config, facts_of({**COMMON, **SHAPES["tiny"], "vocab_size": vocabulary}, ()), None)
    assert job.teacher_arrays == pytest.approx(arrays, rel=0.08)


def test_a_teacher_of_other_tokens_keeps_distributions_of_all_rows() -> None:
    """4 rows of 64 tokens, 8,192 tokens of the teacher's: 8.4 MB, where hidden states take a thirtieth."""
    student, _ = sizes_for("tiny", "lora", 8)
    job = StepJob(True, 4, 1, 25, 64, 25, 64, 1, 4, teacher_arrays=17.0)
    facts = facts_of({**COMMON, **SHAPES["small"]}, ())

    def told(teacher: GradingModel | None) -> int:
        plan = MemoryPlan(train_rows=4, head_tokens=256, share_prompts=False)
        return sum(update_parts(Sizes(**{**vars(student), "teacher": teacher}), job, plan).values())

    alike, others = told(GradingModel(facts)), told(GradingModel(facts, other_tokens=True))
    assert alike - told(None) == pytest.approx(
        4 * 256 * (8192 - 512), rel=0.05
    )  # its logits, before they are cut
    assert others > 4 * 4 * 64 * 8192 + 16 * 4 * 64 * 4096


@pytest.mark.parametrize(
    ("family", "width"),
    [
        ("qwen3_5", (2 * 2 * 8 + 4 * 8) // 2),  # two of four layers: full_attention_interval 2
        ("olmo_hybrid", (2 * 2 * 8 + 4 * 8) // 2),  # by layer_types
        ("kimi_linear", 1.5 * 4 * 8 // 2),  # by kda_layers; half of each is kept as often as of the others
        (
            "nemotron_h",
            (4 * 16 + 0.8 * 2 * 8) // 2,
        ),  # by its pattern; Mamba's projections are kept less often
        ("falcon_h1", 4 * 16 + round(0.8 * 2 * 8)),  # beside attention in every layer
        ("granitemoehybrid", (4 * 16 + 0.8 * 2 * 8) // 2),
        ("rwkv7", round(3.3 * 32)),
        ("bailing_moe_linear", 4 * 8 // 2),  # by layer_group_size
    ],
)
def test_layers_that_hold_states_are_known_by_the_config(family: str, width: int) -> None:
    """SFT of a random Qwen 3.5 took 90.7 MB where 68.6 were told: states were counted as attention."""
    assert facts_of({"model_type": family, **RECURRENT[family]}, ()).state_width == width


def test_states_take_memory_and_plain_attention_none() -> None:
    plain, _ = sizes_for("small", "lora", 8)
    job = StepJob(True, 6, 1, 8, 40, 8, 40, 1, 6)
    held = update_parts(replace(plain, state_width=341), job, MemoryPlan(train_rows=6, share_prompts=False))
    more = sum(held.values()) - sum(
        update_parts(plain, job, MemoryPlan(train_rows=6, share_prompts=False)).values()
    )
    assert plain.state_width == 0
    assert more == pytest.approx(6 * 6 * 48 * 4 * 9 * 341, rel=0.2)  # six layers, six rows, nine arrays
