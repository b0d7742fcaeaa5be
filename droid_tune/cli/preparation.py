"""What can be found wrong before a run begins: checked without loading a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.data.dataset import Dataset


def check_model(config: RunConfig) -> None:
    """Raise UserError where the model cannot or must not be loaded."""
    from droid_tune.model_files.hub import resolve_model
    from droid_tune.model_files.model_folder import check_model_folder

    check_model_folder(resolve_model(config.model.path, config.model.revision))


def check_trackers(config: RunConfig) -> None:
    """Raise UserError where the curves are to go to a program that is not installed."""
    from droid_tune.tracking.table import wanted_trackers

    wanted_trackers(config)


def open_data(config: RunConfig) -> Dataset:
    """The run's data, open. Raises UserError with the first fault where it cannot be trained on."""
    from droid_tune.data.dataset import open_configured

    return open_configured(config.data, config.method.type)
