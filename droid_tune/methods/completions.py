"""What is counted of a batch of completions: which were cut off, which tokens are trained on, how long they are.

Shapes: N completions, T positions, right-padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def loss_mask(
    lengths: Sequence[int],
    truncated: NDArray[np.bool_] | None = None,
    tool_mask: NDArray[Any] | None = None,
    width: int | None = None,
) -> NDArray[np.float32]:
    """1 for each token in the loss (N, T): the completion with its EOS, without tool output.

    With `truncated` given, cut-off completions are left out whole (mask_truncated_completions). Their
    advantages stand: they still set their group's baseline.
    """
    wide = max(lengths, default=0) if width is None else width
    mask = (np.arange(wide)[None, :] < np.asarray(lengths)[:, None]).astype(np.float32)
    if truncated is not None:
        mask *= ~truncated[:, None]
    if tool_mask is not None:
        mask *= tool_mask
    return mask


def length_metrics(
    lengths: Sequence[int], truncated: NDArray[np.bool_], prompt_lengths: Sequence[int]
) -> dict[str, float]:
    """TRL's `completions/...` and `num_tokens` (prompt and completion tokens of every row).

    Lengths are those of the completions as sampled, whatever is masked. Over no terminated completion: 0.
    """
    every = np.asarray(lengths, dtype=np.float64)
    ended = every[~truncated]
    metrics = {"num_tokens": float(every.sum() + np.sum(prompt_lengths))}
    for prefix, values in (("", every), ("terminated_", ended)):
        some = values if values.size else np.zeros(1)
        metrics[f"completions/mean_{prefix}length"] = float(some.mean())
        metrics[f"completions/min_{prefix}length"] = float(some.min())
        metrics[f"completions/max_{prefix}length"] = float(some.max())
    metrics["completions/clipped_ratio"] = float(truncated.mean()) if truncated.size else 0.0
    return metrics
