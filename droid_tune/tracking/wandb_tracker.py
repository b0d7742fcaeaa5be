"""Weights & Biases, offline: nothing leaves this computer until someone calls `wandb sync`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import import_module

from droid_tune.runs.folder import slug
from droid_tune.tracking.base import TrackedRun


class WandbTracker:
    """One offline run in the run's folder. A resume writes it anew as a whole: two offline folders of one run would be
    synced one over the other."""

    def open(self, run: TrackedRun) -> None:
        """The same id for every session, so that a later sync takes the place of an earlier one."""
        wandb = import_module("wandb")

        shutil.rmtree(run.folder / "wandb", ignore_errors=True)
        settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        self._run = wandb.init(
            mode="offline",
            project=run.project,
            name=run.name,
            id=slug(run.id),
            dir=str(run.folder),
            config=dict(run.config),
            reinit="create_new",
            settings=settings,
        )

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        """Values of one step join, whenever they are told."""
        self._run.log({**values, "_timestamp": at}, step=step)

    def close(self) -> None:
        """Waits until everything is written."""
        self._run.finish()
