"""The rollout that the rows of played episodes make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from droid_tune.rollout.episodes.episode_row import EpisodeRow
from droid_tune.rollout.episodes.tally import Tally
from droid_tune.rollout.episodes.trajectory import Trajectory
from droid_tune.rollout.rollout import Rollout


def played_rollout(
    rows: Sequence[EpisodeRow],
    prompt_tokens: list[list[int]],
    group_size: int,
    tally: Tally,
    *,
    filters: bool,
) -> Rollout:
    """Rows that are over, `group_size` for each prompt, side by side: arrays (rows, T), zeros behind the shorter ones.

    `filters`: their tokens were drawn from another distribution than softmax(logits / temperature).
    """
    length = max(1, *(len(row.tokens) for row in rows))
    shape = (len(rows), length)
    tokens, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    logprobs, drawn = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row in rows:
        count = len(row.tokens)
        tokens[row.index, :count] = row.tokens
        mask[row.index, :count] = row.mine
        logprobs[row.index, :count] = row.logprobs
        drawn[row.index, :count] = row.drawn
    trajectories = [row.trajectory or Trajectory() for row in rows]
    return Rollout(
        prompt_tokens=prompt_tokens,
        group_size=group_size,
        tokens=tokens,
        completion_mask=mask,
        sampled_logprobs=logprobs,
        texts=[one.answer for one in trajectories],
        finish_reasons=[
            "length" if one.cut in ("turns", "tokens", "time") else "stop" for one in trajectories
        ],
        drawn_logprobs=drawn if filters else None,
        trajectories=trajectories,
        read_tokens=tally.read,
        stood_seconds=tally.stood,
    )
