"""DAPO's soft overlong punishment (arXiv 2503.14476, equation 13)."""

from __future__ import annotations


def soft_overlong_reward(length: int, max_completion_length: int, margin: int) -> float:
    """0 up to `margin` tokens before the limit, then falling in a line to -1 at the limit, and -1 beyond.

    All lengths in tokens. Without a margin the limit itself still costs nothing.
    """
    if length > max_completion_length:
        return -1.0
    over = length - (max_completion_length - margin)
    return -over / margin if over > 0 else 0.0
