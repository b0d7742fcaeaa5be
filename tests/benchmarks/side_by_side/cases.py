"""The work of each suite of `packaging/bench`, and what it should reach."""

from __future__ import annotations

from pathlib import Path

#: workload, engine options, goal: times faster, goal: share of the peer's memory
Case = tuple[dict[str, object], dict[str, object], float, float]
GRPO: dict[str, Case] = {
    "S 1x8 128+64": ({"prompt_len": 128, "steps": 3}, {}, 3.5, 0.85),
    "S 4x8 128+64": ({"prompt_len": 128, "batch_size": 4, "steps": 2}, {}, 2.5, 0.6),
    "S 4x8 128+64 beta 0.1": ({"prompt_len": 128, "batch_size": 4, "beta": 0.1, "steps": 2}, {}, 2.5, 0.5),
    "M 1x8 128+128": (
        {"size": "m", "vocab": 32768, "prompt_len": 128, "completion_len": 128, "steps": 1},
        {},
        4.0,
        0.8,
    ),
    "S 1x8 64+256": ({"prompt_len": 64, "completion_len": 256, "steps": 1}, {}, 2.2, 1.0),
    "S 4x8 smallest memory": ({"prompt_len": 128, "batch_size": 4, "steps": 2}, {"smallest": True}, 1.8, 0.3),
    "S 4x8 mixed prompts": ({"prompt_len": [32, 256], "batch_size": 4, "steps": 2}, {}, 2.5, 0.6),
    "S 1x8 top-p top-k": ({"prompt_len": 128, "top_p": 0.95, "top_k": 20, "steps": 3}, {}, 3.5, 0.85),
}
#: against all peers: what the leanest and the fastest of them leave room for
FIELD: dict[str, Case] = {
    name: (workload, options, 3.0, 0.5)
    for name, (workload, options, _, _) in GRPO.items()
    if name in ("S 1x8 128+64", "S 4x8 128+64")
}
M = {"size": "m", "vocab": 32768}
MIXED = {"prompt": [8, 128], "answer": [4, 128], "batches": 8}
SFT: dict[str, Case] = {
    "S 4 rows 64+64": ({}, {}, 1.0, 1.0),
    "S 4 rows 64+64, all tokens": ({"answers_only": False}, {}, 1.0, 1.0),
    "S 4 rows 64+64, checkpoint": ({"checkpoint": True}, {}, 1.0, 1.0),
    "S 4 rows 256+256": ({"prompt": 256, "answer": 256}, {}, 1.0, 1.0),
    "S 4 rows 16+16": ({"prompt": 16, "answer": 16, "batches": 8}, {}, 1.0, 1.0),
    "S 4 rows mixed, by length": (MIXED, {}, 1.0, 1.0),
    "S 4 rows mixed, as they come": ({**MIXED, "by_length": False}, {}, 1.0, 1.0),
    "S 4 rows mixed, checkpoint": ({**MIXED, "by_length": False, "checkpoint": True}, {}, 1.0, 1.0),
    "S 4 rows mixed, all tokens": ({**MIXED, "by_length": False, "answers_only": False}, {}, 1.0, 1.0),
    "S 4 bit, 4 rows 64+64": ({"qbits": 4, "batches": 2}, {}, 1.0, 1.0),
    "M 4 rows 128+128": ({**M, "prompt": 128, "answer": 128, "batches": 2}, {}, 1.0, 1.0),
    "M 4 rows 128+128, all tokens": (
        {**M, "prompt": 128, "answer": 128, "batches": 2, "answers_only": False},
        {},
        1.0,
        1.0,
    ),
    "M 4 rows 128+128, checkpoint": (
        {**M, "prompt": 128, "answer": 128, "batches": 2, "checkpoint": True},
        {},
        1.0,
        1.0,
    ),
    "M 4 rows mixed, as they come": ({**M, **MIXED, "by_length": False}, {}, 1.0, 1.0),
}


DPO: dict[str, Case] = {
    "S 4 pairs 128+96..128": ({"batches": 2}, {}, 1.0, 0.5),
    "S 4 pairs 128+96..128, checkpoint": ({"batches": 2, "checkpoint": True}, {}, 1.0, 0.5),
    "S 4 pairs 32+256": ({"prompt": 32, "answer": 256, "batches": 2}, {}, 1.0, 0.5),
}


def small_cases(
    starter: Path, data: Path, held_out: Path, middle: Path | None, stories: Path
) -> dict[str, Case]:
    """Small steps beside TRL. `data` holds the starter's rows and, in `worked`, its written answers; `held_out` has 500 rows
    to evaluate; `middle` is SmolLM2-135M in float32, where it is at hand, with prompts in `stories`."""
    grpo = {"model": str(starter), "data": str(data)}
    sft = {"kind": "sft", "method": {"type": "sft"}, "model": str(starter), "data": str(data / "worked")}
    found: dict[str, Case] = {
        "starter GRPO 4x8, beta 0.04": (grpo, {}, 1.1, 0.5),
        "starter Dr. GRPO 4x8": ({**grpo, "method": {"type": "dr_grpo"}}, {}, 1.1, 0.5),
        "starter DAPO 4x8": (
            {**grpo, "method": {"type": "dapo", "dynamic_sampling": False}},
            {},
            1.1,
            0.5,
        ),
        "starter SFT 16 rows": ({**sft, "prompts": 16}, {}, 1.1, 0.5),
        "starter, 500 greedy answers": (
            {**grpo, "kind": "evaluate", "data": str(held_out), "rows": 500, "steps": 3, "warmup": 1},
            {},
            1.0,
            0.5,
        ),
    }
    if middle is not None:
        long = {"model": str(middle), "data": str(stories), "prompts": 2, "completion": 48}
        found["SmolLM2-135M GRPO 2x8x48"] = ({**long, "steps": 2, "warmup": 1}, {}, 1.3, 0.5)
    return found
