"""Credit for single turns of an episode: GiGPO (arXiv 2505.10978), beside the credit for the whole episode.

Turns of a prompt's episodes that were written in equal states form a group of their own: they are answers to the same
question. A turn's return is its reward and what comes after, discounted; its advantage is that return less the group's mean,
over the group's spread. A state that only one turn was in teaches nothing.

Left out: similar states as one (the paper's is equality), and returns normalised over the batch.

Shapes: N episodes, groups of G consecutive ones; K turns, different from episode to episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.advantages import ZERO_SPREAD

Floats = NDArray[np.floating[Any]]


def returns(rewards: Sequence[float], discount: float) -> Floats:
    """What each turn (K,) earns from there on: its reward and `discount` times the next turn's return."""
    found, later = np.zeros(len(rewards)), 0.0
    for turn in range(len(rewards) - 1, -1, -1):
        later = rewards[turn] + discount * later
        found[turn] = later
    return found


def turn_advantages(
    rewards: Sequence[Sequence[float]],
    states: Sequence[Sequence[str]],
    group_size: int,
    *,
    discount: float,
    normalise: bool = True,
    eps: float = 1e-4,
) -> Sequence[Floats]:
    """The advantage of every turn of every episode (N, then K each), 0 where no other turn was in its state.

    `rewards` and `states` have an entry a turn; an episode without a reward has rewards of NaN and takes no part.
    `normalise` divides by the state's spread (ddof 1, with `eps` added), else the mean alone is taken off.
    """
    earned = [returns(own, discount) for own in rewards]
    members: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for episode, own in enumerate(states):
        for turn, state in enumerate(own):
            if not np.isnan(earned[episode][turn]):
                members.setdefault((episode // group_size, state), []).append((episode, turn))
    found = [np.zeros(len(own)) for own in rewards]
    for places in members.values():
        values = np.array([earned[episode][turn] for episode, turn in places])
        for (episode, turn), value in zip(places, _compared(values, normalise, eps), strict=True):
            found[episode][turn] = value
    return found


def _compared(values: Floats, normalise: bool, eps: float) -> Floats:
    """Each value less the mean of all, over their spread; zeros where there is nothing to compare."""
    if len(values) < 2 or (spread := values.std(ddof=1)) <= ZERO_SPREAD:
        return np.zeros_like(values)
    return (values - values.mean()) / (spread + eps if normalise else 1.0)
