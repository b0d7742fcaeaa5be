"""Opens the real window, tells when it was painted and when its memory bar stood, and closes it: for `start_up.py`.

The window is the application's own; only its class is watched from outside. Prints one line of JSON. Both times count
from `STARTED`, the monotonic clock's reading when the process was asked for; CPU seconds are this process's own.
"""

from __future__ import annotations

import gc
import json
import os
import time

gc.disable()  # as droid_tune.cli.commands.open_command does before it reads the window

from PySide6.QtCore import QCoreApplication, QTimer  # noqa: E402
from PySide6.QtGui import QPaintEvent  # noqa: E402

import ui.app  # noqa: E402
from droid_tune.cli import main  # noqa: E402
from ui.main_window import MainWindow  # noqa: E402


def now() -> dict[str, float]:
    return {"wall": time.monotonic() - float(os.environ["STARTED"]), "cpu": time.process_time()}


class Watched(MainWindow):
    """Notes the moment after its first paint event, when Qt has flushed the picture to the screen."""

    told: dict[str, dict[str, float]]

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not hasattr(self, "told"):
            self.told = {}
            QTimer.singleShot(0, self.painted)

    def painted(self) -> None:
        from ui.panes.setup.readiness.forecasting import Forecaster

        self.told["painted"] = now()
        forecaster = self.findChild(Forecaster)
        if forecaster is None:  # another pane than Setup
            self.finish()
        else:
            forecaster.told.connect(lambda _: QTimer.singleShot(0, self.forecast))

    def forecast(self) -> None:
        self.told["forecast"] = now()
        self.finish()

    def finish(self) -> None:
        print(json.dumps(self.told), flush=True)
        QCoreApplication.quit()


ui.app.MainWindow = Watched
raise SystemExit(main(["open"]))
