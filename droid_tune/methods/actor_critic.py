"""What a critic makes of rewards: how much better each token was than expected, and what should have been expected.

Schulman et al. 2016 (GAE, arXiv 1506.02438) and 2017 (PPO, arXiv 1707.06347), as Stiennon et al. 2020 use them for language. The
reward comes with a completion's last token and nothing after it is worth anything; TRL 1.16 pays it one token later, behind the
end, where its critic reads one more state.

Host arrays, float64. Shapes: N completions, T positions; masks are 1 on the tokens that the model wrote (not on padding, nor on
what an environment said in between).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
#: added to a variance before its root is taken (TRL's masked_whiten)
LEAST_VARIANCE = 1e-8


def token_rewards(totals: Floats, penalty: Floats | None, mask: Floats) -> Floats:
    """(N, T): at each token the penalty (N, T) taken off, and the completion's reward (N,) with its last one."""
    rewards = np.zeros(mask.shape) if penalty is None else -np.where(mask > 0, penalty, 0.0)
    there = np.flatnonzero((mask > 0).any(axis=1))
    last = mask.shape[1] - 1 - np.argmax(mask[:, ::-1] > 0, axis=1)
    rewards[there, last[there]] += totals[there]
    return rewards


def advantages_and_returns(
    rewards: Floats, values: Floats, mask: Floats, gamma: float, lam: float
) -> tuple[Floats, Floats]:
    """Generalised advantages (N, T), and the returns that the critic should have foretold: advantage + value.

    A_t = d_t + gamma lam A_(t+1), where d_t = r_t + gamma V_(t+1) - V_t and t + 1 is the model's next token; behind the
    last one both are 0.
    """
    advantages = np.zeros(mask.shape)
    worth = np.where(mask > 0, values, 0.0)
    ahead, next_value = np.zeros(len(mask)), np.zeros(len(mask))
    for at in reversed(range(mask.shape[1])):
        own = mask[:, at] > 0
        surprise = rewards[:, at] + gamma * next_value - worth[:, at]
        ahead = np.where(own, surprise + gamma * lam * ahead, ahead)
        next_value = np.where(own, worth[:, at], next_value)
        advantages[:, at] = np.where(own, ahead, 0.0)
    return advantages, advantages + worth


def whitened(values: Floats, mask: Floats, *, centred: bool = True) -> Floats:
    """Divided by their spread over all tokens (ddof 1), and moved to a mean of 0 unless told not to; 0 on padding.

    One token alone has no spread and stays as it is.
    """
    found = values[mask > 0].astype(np.float64)
    if len(found) < 2:
        return np.where(mask > 0, values, 0.0)
    mean = found.mean()
    scaled = (values - mean) / np.sqrt(found.var(ddof=1) + LEAST_VARIANCE)
    return np.where(mask > 0, scaled if centred else scaled + mean, 0.0)


def explained_variance(values: Floats, returns: Floats, mask: Floats) -> float:
    """1 - Var(returns - values) / Var(returns) over all tokens: 1 foretells all, 0 no more than a constant, below it misleads.

    NaN where all returns are equal.
    """
    found, foretold = returns[mask > 0], values[mask > 0]
    spread = float(np.var(found)) if len(found) else 0.0
    return 1.0 - float(np.var(found - foretold)) / spread if spread > LEAST_VARIANCE else float("nan")
