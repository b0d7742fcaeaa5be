"""Watches the memory while a run trains: give back what is spare, take smaller portions, save and hold still.

The plan was made to stay well below the limit; the guard is for what no plan knows: other programs, a formula that is
wrong for an architecture, fragmentation. Readings are taken after each step and can be injected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import mlx.core as mx

from droid_tune import words
from droid_tune.estimate.busy_tokens import BUSY_TOKENS
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.machine.pressure import Pressure, process_bytes, read_pressure
from droid_tune.model.checks.probe import Architecture
from droid_tune.model.footprint import device_name

#: shares of the limit at which the cache is cleared, the portions shrink, the run is held
CLEAR, SHRINK, HOLD = 0.70, 0.85, 0.95
LEAST_HEAD_TOKENS = 16

Action = Literal["none", "clear", "shrink", "hold"]
#: from the mildest to the strongest
ACTIONS: tuple[Action, ...] = ("none", "clear", "shrink", "hold")


@dataclass(frozen=True)
class Reading:
    """Bytes after a step: in use, the step's peak, kept for reuse, the whole process; and the system's pressure."""

    active: int
    peak: int
    cache: int
    process: int = 0
    pressure: Pressure = "normal"


def read_memory() -> Reading:
    """MLX's counters, the process's size and the system's word."""
    return Reading(
        int(mx.get_active_memory()),
        int(mx.get_peak_memory()),
        int(mx.get_cache_memory()),
        process_bytes(),
        read_pressure(),
    )


@dataclass(frozen=True)
class Judgement:
    """What is to be done and, in words, why."""

    action: Action
    why: str = ""


def strongest(judgements: Sequence[Judgement]) -> Judgement:
    """What several computers that train together all do."""
    return max(judgements, key=lambda one: ACTIONS.index(one.action))


class MemoryGuard:
    """Judges each step's reading against `limit_bytes`."""

    def __init__(self, limit_bytes: int, read: Callable[[], Reading] = read_memory) -> None:
        self.limit_bytes = limit_bytes
        self.read = read

    def judge(self, reading: Reading) -> Judgement:
        """The strongest action that this reading calls for."""
        if reading.pressure == "critical":
            return Judgement("hold", "the system is critically short of memory")
        share = reading.peak / self.limit_bytes
        said = (
            f"the step took {words.size(reading.peak)}, {words.share(share)} of the {words.size(self.limit_bytes)} "
            "that may be used"
        )
        if share >= HOLD:
            return Judgement("hold", said)
        if share >= SHRINK:
            return Judgement("shrink", said)
        if (reading.active + reading.cache) / self.limit_bytes >= CLEAR or reading.pressure == "warning":
            return Judgement("clear")
        return Judgement("none")


def smaller(plan: MemoryPlan, architecture: Architecture) -> MemoryPlan | None:
    """The next smaller portions of a model of this `architecture`; None where there are none.

    Half the rows where there are several, then long rows a segment at a time, then one layer at a time, then half the
    head's chunk.
    """
    decode = max(1, plan.decode_rows // 2)
    plan = replace(plan, evaluate_rows=plan.evaluate_rows // 2, joined_tokens=plan.joined_tokens // 2)
    if plan.train_rows > 1:
        return replace(plan, train_rows=plan.train_rows // 2, decode_rows=decode)
    segment = BUSY_TOKENS[device_name()]
    if architecture.shares_prompts and plan.row_tokens > 2 * segment and not plan.segment_tokens:
        return replace(plan, segment_tokens=segment, decode_rows=decode)
    if architecture.layer_wise and not plan.layer_wise:
        return replace(plan, layer_wise=True, decode_rows=decode)
    if plan.head_tokens > LEAST_HEAD_TOKENS:
        return replace(plan, head_tokens=max(LEAST_HEAD_TOKENS, plan.head_tokens // 2), decode_rows=decode)
    return replace(plan, decode_rows=decode) if plan.decode_rows > 1 else None
