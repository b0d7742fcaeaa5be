"""The same run by every method, off the GUI thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from droid_tune.config import RunConfig, resolve
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.errors import UserError
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate
from droid_tune.estimate.job import DataLengths

#: sections that stay as they are when the method changes
KEPT = ("model", "data", "adapter", "training", "sampling", "evaluation", "memory")


def by_method(config: RunConfig, lengths: DataLengths | None) -> dict[str, Estimate]:
    """Each method with its own defaults, for this model, data and sizes; `config`'s own method as it is set."""
    found: dict[str, Estimate] = {}
    values: Mapping[str, Any] = config.model_dump(mode="json", include=set(KEPT))
    group = getattr(config.method, "group_size", None)
    own = config.method.type
    for method, kind in METHOD_CONFIGS.items():
        if method != own and kind.card:
            continue  # an option of another method, which stands for it
        try:
            other = config if method == own else _other(values, method, group)
            found[method] = estimate(other, lengths, suggesting=False)
        except UserError:
            continue  # a method that these settings do not allow has no figures
    return found


def _other(values: Mapping[str, Any], method: str, group_size: int | None) -> RunConfig:
    own: dict[str, Any] = {"type": method}
    if group_size is not None and "group_size" in METHOD_CONFIGS[method].model_fields:
        own["group_size"] = group_size
    return resolve({**values, "method": own})
