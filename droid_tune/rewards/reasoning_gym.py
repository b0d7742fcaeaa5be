"""Rows of Reasoning Gym whose task has no answer of its own: only its scorer knows whether a completion is right.

Read from reasoning-gym 0.1.25: each makes rows with `answer: null` and judges by rules (a colouring, a proof, moves).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCORED_BY_RULES = frozenset(("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"))


def source_of(row: Mapping[str, Any]) -> str:
    """The task that a row of the gym's is of, empty for every other row."""
    metadata = row.get("metadata")
    source = metadata.get("source_dataset") if isinstance(metadata, Mapping) else row.get("source_dataset")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return "" if source is None else str(source)  # pyright: ignore[reportUnknownArgumentType]


def without_answer(row: Mapping[str, Any]) -> str | None:
    """The name of the task where it is one of these and the row has no answer."""
    source = source_of(row)
    return source if source in SCORED_BY_RULES and row.get("answer") in (None, "", []) else None


def why_no_answer(row: Mapping[str, Any]) -> str:
    """One sentence for such a row, empty for every other."""
    task = without_answer(row)
    if task is None:
        return ""
    return f"Reasoning Gym's `{task}` has no answer of its own: only its scorer knows what is right"
