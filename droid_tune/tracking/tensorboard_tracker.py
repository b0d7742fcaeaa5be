"""TensorBoard's event files, by tensorboardX: no TensorFlow, no PyTorch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import import_module

from droid_tune.tracking.base import TrackedRun

#: seconds after which what was told is on the disk, for who looks on while the run trains
FLUSH_S = 5


class TensorboardTracker:
    """A folder `tensorboard` in the run's: `tensorboard --logdir RUNS` shows all runs beside each other."""

    def open(self, run: TrackedRun) -> None:
        """A new file; `purge_step` tells a TensorBoard that has read an earlier one to forget it."""
        library = import_module("tensorboardX")

        folder = run.folder / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = library.SummaryWriter(str(folder), purge_step=0, flush_secs=FLUSH_S)

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        """A scalar for each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step, at)

    def close(self) -> None:
        """Flushes and ends the file."""
        self._writer.close()
