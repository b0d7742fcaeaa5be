"""The rewards of other trainers by their names, with the numbers that they give there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from droid_tune.errors import UserError

Values = dict[str, Any]

#: their name -> our settings, and the factor between their number and ours
KNOWN: dict[str, tuple[Values, float]] = {
    "accuracy": ({"type": "accuracy"}, 1.0),
    "accuracy_reward": ({"type": "accuracy"}, 1.0),
    "correctness": ({"type": "accuracy"}, 1.0),
    "r1_accuracy_reward_func": ({"type": "accuracy", "extraction": "answer_tag"}, 2.0),
    "r1_int_reward_func": (
        {"type": "format", "pattern": r"<answer>\s*\d+\s*</answer>", "name": "integer answer"},
        0.5,
    ),
    "r1_strict_format_reward_func": ({"type": "format", "name": "strict format"}, 0.5),
    "r1_soft_format_reward_func": (
        {"type": "format", "pattern": "<think>.*</think>.*<answer>.*</answer>", "name": "soft format"},
        0.5,
    ),
    "r1_count_xml": ({"type": "partial_format"}, 0.5),
    "xml_count": ({"type": "partial_format"}, 1.0),
    "format": ({"type": "format"}, 1.0),
    "format_reward": ({"type": "format"}, 1.0),
    "think_format_reward": ({"type": "format", "pattern": r"^<think>.*</think>"}, 1.0),
    "similarity": ({"type": "similarity"}, 1.0),
    "rouge": ({"type": "similarity"}, 1.0),
    "rouge_l": ({"type": "similarity"}, 1.0),
    "semantic_similarity": ({"type": "similarity", "measure": "token_f1"}, 1.0),
    "repetition": ({"type": "repetition"}, 1.0),
    "repetition_penalty": ({"type": "repetition"}, 1.0),
    "language": ({"type": "language"}, 1.0),
    "math_heuristic": ({"type": "math_heuristic"}, 1.0),
    "math": ({"type": "math_heuristic"}, 1.0),
    "code": ({"type": "code"}, 1.0),
}


def foreign_rewards(
    names: Sequence[str], weights: Sequence[float], file: str
) -> tuple[list[Values], list[str]]:
    """Our rewards for theirs, each with its weight, and a sentence for each that is not exactly theirs.

    A name of nobody's is a function in `file` where there is one. Raises UserError where the weights do not match.
    """
    if weights and len(weights) != len(names):
        raise UserError(
            f"`reward_weights` has {len(weights)} numbers for {len(names)} reward functions",
            remedy="give one weight for each",
        )
    rewards: list[Values] = []
    notes: list[str] = []
    for name, weight in zip(names, weights or [1.0] * len(names), strict=True):
        reward, said = foreign_reward(name, weight, file)
        notes += said
        if reward is not None:
            rewards.append(reward)
    if names and not rewards:
        notes.append("None of the reward functions is known, so the default rewards are used.")
    return rewards, notes


def foreign_reward(name: str, weight: float, file: str) -> tuple[Values | None, list[str]]:
    """Another trainer's reward as ours and what to say of it; None where it has no counterpart.

    `file` is the Python file that its config names, if any: its functions become `user_file` rewards.
    """
    if name in KNOWN:
        settings, factor = KNOWN[name]
        kind = settings["type"]
        same = name == kind and factor == 1.0
        said = [] if same else [f"The reward `{name}` became `{kind}` with weight {weight * factor:g}."]
        return {**settings, "weight": weight * factor}, said
    if file:
        return {"type": "user_file", "path": file, "function": name, "name": name, "weight": weight}, []
    return None, [
        f"The reward `{name}` has no counterpart; write it as a function in a Python file (`user_file`)."
    ]


def listed(value: Any) -> list[Any]:
    """A list as it is, `"a, b"` and `"[0.7, 0.3]"` taken apart, nothing as an empty list."""
    if value is None or value == "":
        return []
    if isinstance(value, (list, tuple)):
        return list(cast(Sequence[Any], value))
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    if text.startswith("["):
        try:
            return list(json.loads(text.replace("'", '"')))
        except (ValueError, RecursionError):
            text = text.strip("[]")
    return [part.strip().strip("'\"") for part in text.split(",") if part.strip()]


def number(value: Any) -> float:
    """A number, also one that YAML 1.1 took for a text (1e-5). Raises UserError."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError("A number was expected in the config", value=value) from None
