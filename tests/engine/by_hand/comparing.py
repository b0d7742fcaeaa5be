"""The engine's loss, gradients and metrics against those computed by hand: gradients along random directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np

from tests.engine.by_hand import distillation, online, preference
from tests.engine.by_hand.preference import Case, Floats

BY_HAND = {**preference.LOSSES, **online.LOSSES, **distillation.LOSSES}
#: of central differences; and the length of a gradient below which float32 has no digits left to compare
STEP, LEAST = 1e-6, 1e-2
Result = dict[str, Any]


def numbers_of(inputs: dict[str, Any]) -> Case:
    """Lists as arrays; None is NaN."""
    return {
        name: value if isinstance(value, str | int) else np.array(value, np.float64)
        for name, value in inputs.items()
    }


def differences(method: str, inputs: Case, config: Case, found: Result, seed: int = 0) -> dict[str, float]:
    """How far the engine is off, relative to the larger of 1 and what is right (gradients: of their largest slope)."""
    by_hand = BY_HAND[method]
    loss, metrics = by_hand(inputs, inputs, config)
    off = {"loss": apart(found["loss"], loss)}
    off |= {f"metric {name}": apart(found["metrics"][name], value) for name, value in metrics.items()}
    draw = np.random.default_rng(seed)
    for name, gradient in found["grads"].items():
        for number in range(2):
            direction = draw.normal(size=inputs[name].shape)
            slope = along(method, inputs, config, name, direction)
            told = float((np.asarray(gradient, np.float64) * direction).sum())
            size = max(float(np.linalg.norm(gradient)), LEAST) * float(np.linalg.norm(direction))
            off[f"gradient {name} {number}"] = abs(told - slope) / size if np.isfinite(told) else float("inf")
    return off


def along(method: str, inputs: Case, config: Case, name: str, direction: Floats) -> float:
    """The slope of the loss along a direction of one input, by central differences."""

    def at(step: float) -> float:
        return BY_HAND[method]({**inputs, name: inputs[name] + step * direction}, inputs, config)[0]

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def apart(found: float, right: float) -> float:
    if not np.isfinite(found):
        return float("inf")
    return abs(float(found) - right) / max(1.0, abs(right))


def settings(**choices: Iterable[Any]) -> Iterator[Case]:
    """Every combination of some settings' values."""
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))
