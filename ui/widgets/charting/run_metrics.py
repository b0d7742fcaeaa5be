"""The metrics by which runs are compared, in the Runs pane and beside one another."""

from __future__ import annotations

#: best first
COMPARED = (
    "reward",
    "eval/accuracy",
    "loss",
    "eval/loss",
    "kl/k1",
    "entropy",
    "completions/mean_length",
    "grad_norm",
)
