"""Every tracker by its setting in `tracking`. A new one is a file here, its setting and a line."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.tracking.base import Tracker
from droid_tune.tracking.tensorboard_tracker import TensorboardTracker
from droid_tune.tracking.trackio_tracker import TrackioTracker
from droid_tune.tracking.wandb_tracker import WandbTracker


class TrackerEntry(NamedTuple):
    """The package that it needs, and how one is made."""

    package: str
    make: Callable[[], Tracker]


TRACKERS: dict[str, TrackerEntry] = {
    "tensorboard": TrackerEntry("tensorboardX", TensorboardTracker),
    "wandb": TrackerEntry("wandb", WandbTracker),
    "trackio": TrackerEntry("trackio", TrackioTracker),
}


def wanted_trackers(config: RunConfig) -> dict[str, TrackerEntry]:
    """Those that the settings ask for. Raises UserError where a package is missing."""
    chosen = config.tracking
    asked = {"tensorboard": chosen.tensorboard, "wandb": chosen.wandb, "trackio": chosen.trackio}
    wanted = {name: entry for name, entry in TRACKERS.items() if asked[name]}
    for name, entry in wanted.items():
        if find_spec(entry.package) is None:
            raise UserError(
                f"The package {entry.package} is not installed",
                place=f"tracking.{name}",
                remedy=f"install it with pip install {entry.package}, or switch tracking.{name} off",
            )
    return wanted
