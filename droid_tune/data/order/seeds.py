"""Seeds of a run's parts: one for each purpose, far from each other, the same in a run that goes on."""

from __future__ import annotations

import zlib

import numpy as np


def derived_seed(seed: int, purpose: str, *numbers: int) -> int:
    """A seed (63 bits) that depends on the run's seed, the purpose and the numbers alone."""
    words = (seed, zlib.crc32(purpose.encode()), *numbers)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def rollout_seed(seed: int, rollout: int) -> int:
    """Of a run's rollout, counted from 0: its tokens are drawn and its environments are opened by it."""
    return derived_seed(seed, "rollout", rollout)
