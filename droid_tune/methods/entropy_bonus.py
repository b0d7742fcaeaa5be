"""The weight of the entropy bonus: fixed, or steered towards a target entropy.

The adaptive bonus is a two-point controller: it acts only in a step that follows one with an entropy at or
below the target, and its weight moves by a fixed step per update within bounds (Skywork-OR1).
The state is plain numbers, so that a resumed run continues exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class EntropySettings:
    """The weight of the bonus; with a target (nats per token) it moves by `entropy_coef_delta` per update.

    Without a target it stays. The names are those of TRL and of the method configs.
    """

    entropy_coef: float = 0.0
    entropy_target: float | None = None
    entropy_coef_delta: float = 0.005
    entropy_coef_min: float = 0.0
    entropy_coef_max: float = 1.0


@dataclass(frozen=True)
class EntropyState:
    """Where the controller stands: its weight, the last update's entropy (None: none yet) and the open window."""

    coef: float
    last_entropy: float | None = None
    window_entropy: float = 0.0
    window_tokens: float = 0.0


def start(settings: EntropySettings) -> EntropyState:
    """The state before the first update."""
    return EntropyState(coef=settings.entropy_coef)


def applied_coef(settings: EntropySettings, state: EntropyState) -> float:
    """The weight in force for every slice of the current update; adaptive: 0 in the first one."""
    if settings.entropy_target is None:
        return settings.entropy_coef
    if state.last_entropy is None or state.last_entropy > settings.entropy_target:
        return 0.0
    return state.coef


def observe(state: EntropyState, entropy: float, tokens: float) -> EntropyState:
    """Adds a slice: the sum of entropies over `tokens` tokens (metric sums `bonus_entropy`, `bonus_tokens`)."""
    return replace(
        state, window_entropy=state.window_entropy + entropy, window_tokens=state.window_tokens + tokens
    )


def close_window(settings: EntropySettings, state: EntropyState) -> EntropyState:
    """The state after an update: the window's mean entropy decides which way the weight moves.

    A window whose entropy is no number (its update was not applied) moves nothing.
    """
    mean = state.window_entropy / max(state.window_tokens, 1.0)
    if not math.isfinite(mean):
        return EntropyState(coef=state.coef, last_entropy=state.last_entropy)
    if settings.entropy_target is None:
        return EntropyState(coef=settings.entropy_coef, last_entropy=mean)
    if mean <= settings.entropy_target:
        coef = min(state.coef + settings.entropy_coef_delta, settings.entropy_coef_max)
    else:
        coef = max(state.coef - settings.entropy_coef_delta, settings.entropy_coef_min)
    return EntropyState(coef=coef, last_entropy=mean)
