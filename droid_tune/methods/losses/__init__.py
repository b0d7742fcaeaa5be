"""Losses as pure mathematics: arrays and numbers in, arrays and numbers out.

A loss is a sum over rows. What depends on the whole slice is counted once (`slice_context`), each
micro-batch gives its share (`policy_loss`), and the metrics are put together at the end (`finish_metrics`).
"""

from droid_tune.methods.losses.cross_entropy import supervised_loss
from droid_tune.methods.losses.loss_metrics import finish_metrics
from droid_tune.methods.losses.masks import top_entropy_mask
from droid_tune.methods.losses.slice_share import policy_loss
from droid_tune.methods.losses.spec import LossRows, LossSpec, SliceContext, settings_of, slice_context

__all__ = [
    "LossRows",
    "LossSpec",
    "SliceContext",
    "finish_metrics",
    "policy_loss",
    "settings_of",
    "slice_context",
    "supervised_loss",
    "top_entropy_mask",
]
