"""What a preference loss must know of its whole batch, counted before the batch is cut."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PairBatch:
    """`pairs` of the batch (rows, where each has a verdict of its own); `likelihood_tokens` that a likelihood term is
    averaged over. The gradient of an update is the mean over its batches."""

    pairs: float
    likelihood_tokens: float = 0.0
