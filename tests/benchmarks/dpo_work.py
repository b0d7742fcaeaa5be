"""The work that all sides of the DPO benchmark do: the same pairs in the same batches, timed alike.

A workload is a JSON object: see DEFAULT. The runners take `WORKLOAD OUT.json [OPTIONS]` and write `summary`.
"""

from __future__ import annotations

import random
from typing import Any

import sft_work

DEFAULT: dict[str, Any] = {
    **sft_work.DEFAULT,
    "beta": 0.1,
    "prompt": 128,  # tokens that both answers share
    "answer": [96, 128],  # tokens of each answer
}
#: prompt, chosen answer, rejected answer
Pair = tuple[list[int], list[int], list[int]]


def load(text: str) -> dict[str, Any]:
    given = sft_work.given(text, set(DEFAULT))
    return {**DEFAULT, **given}


def batches(work: dict[str, Any]) -> list[list[Pair]]:
    """The pairs of one epoch in their batches."""
    draw = random.Random(work["seed"] + 29)

    def tokens(length: Any) -> list[int]:
        count = draw.randint(*length) if isinstance(length, list) else length
        return [draw.randrange(300, min(work["vocab"], 8000)) for _ in range(count)]

    return [
        [
            (tokens(work["prompt"]), tokens(work["answer"]), tokens(work["answer"]))
            for _ in range(work["batch_size"])
        ]
        for _ in range(work["batches"])
    ]
