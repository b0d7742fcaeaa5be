"""Trackio: a data base of this computer, drawn by `trackio show`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO

from droid_tune.tracking.base import TrackedRun


class TrackioTracker:
    """A run by its id, in the user's own Trackio folder. What an earlier session wrote is deleted and told again."""

    def open(self, run: TrackedRun) -> None:
        """A run without numbers."""
        trackio = import_module("trackio")

        with suppress(ValueError):  # there is no such project yet
            for earlier in list(trackio.Api().runs(run.project)):
                if earlier.name == run.id:
                    earlier.delete()
        with redirect_stdout(
            StringIO()
        ):  # it says how to look at it, where our own lines are read by programs
            self._run = trackio.init(
                project=run.project,
                name=run.id,
                config=dict(run.config),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        """Trackio stamps by itself when it was told."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Waits until everything is written."""
        with redirect_stdout(StringIO()):
            self._run.finish()
