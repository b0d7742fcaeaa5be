"""One rollout on the host: plain arrays, so that it can be checkpointed and replayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from droid_tune.names import FinishReason
from droid_tune.rollout.episodes.trajectory import Trajectory


@dataclass(frozen=True)
class Rollout:
    """P prompts with G completions each, N = P * G rows, groups consecutive; T is the longest completion.

    `sampled_logprobs` are of softmax(logits / temperature) in float32, without filters, as they were while sampling
    (at temperature 0, greedy, 0). `drawn_logprobs` are of the distribution that a token was drawn
    from, filters and all: what an importance weight divides by. None where no filter was active: they are the same.

    Where an environment answers between the model's turns, the completion holds both: the mask is 1 on the model's tokens
    alone, and `trajectories` (N) say how each episode went.
    """

    prompt_tokens: list[list[int]]  # P
    group_size: int
    tokens: npt.NDArray[np.int32]  # (N, T), right-padded with 0
    completion_mask: npt.NDArray[np.float32]  # (N, T), the stop token included
    sampled_logprobs: npt.NDArray[np.float32]  # (N, T), 0 on padding
    texts: list[str]  # N
    finish_reasons: list[FinishReason]  # N
    drawn_logprobs: npt.NDArray[np.float32] | None = None  # (N, T), 0 on padding
    trajectories: list[Trajectory] | None = None  # N
    #: tokens that the model has read while it was sampled, and seconds in which all of it waited for an environment
    read_tokens: int = 0
    stood_seconds: float = 0.0

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens per completion (N,)."""
        return self.completion_mask.sum(axis=1).astype(np.int64)

    def __len__(self) -> int:
        return len(self.texts)


def rows_of_groups(groups: npt.ArrayLike, group_size: int) -> npt.NDArray[np.int64]:
    """The row numbers of some groups of `group_size` consecutive rows, in the order of `groups`."""
    return (np.asarray(groups, np.int64)[:, None] * group_size + np.arange(group_size)).reshape(-1)
