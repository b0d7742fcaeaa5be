"""MiniLLM's long-term advantages: how much likelier a teacher finds the rest of a completion (arXiv 2306.08543).

Shapes: N completions, T positions, right-padded. Host arrays, float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

#: what a masked token counts in a length, so that no length is 0
MASKED_LENGTH = 1e-4


def reward_to_go(teacher: Floats, student: Floats, mask: Floats, gamma: float, *, by_length: bool) -> Floats:
    """A_t = the discounted sum from t on of teacher minus student log-probability (N, T), 0 on padding.

    The discount counts from the first position, as TRL's does, not from t; 0 looks at the token alone. `by_length` divides
    by the discounted number of tokens from t on.
    """
    scored = mask > 0
    gap = np.where(scored, np.asarray(teacher, np.float64) - np.asarray(student, np.float64), 0.0)
    if gamma == 0:
        return gap
    discount = gamma ** np.arange(mask.shape[1], dtype=np.float64)
    found = _from_here(gap * discount)
    if by_length:
        found = found / _from_here(np.where(scored, 1.0, MASKED_LENGTH) * discount)
    return np.where(scored, found, 0.0)


def _from_here(values: Floats) -> Floats:
    """Each row's sums from every position to its end."""
    return np.flip(np.cumsum(np.flip(values, axis=1), axis=1), axis=1)
