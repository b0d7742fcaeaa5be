"""Pictures of every pane, light and dark, at three sizes: `python -m tests.ui.screenshots OUT [--run FOLDER]`.

Without a run folder a recorded run is shown. `QT_SCALE_FACTOR=2` gives pictures as sharp as a Retina display.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from ui.panes.table import PANES_BY_KEY

SIZES = ((1280, 800), (1024, 640), (2560, 1440))
#: long enough for background reads and a few beats
SETTLE_S = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--run", type=Path, help="the run to show")
    parser.add_argument("--panes", nargs="*", default=tuple(PANES_BY_KEY), choices=PANES_BY_KEY)
    given = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DROID_TUNE_HOME"] = home
        take(given.out, given.run, Path(home), given.panes)


def take(out: Path, run: Path | None, home: Path, panes: tuple[str, ...]) -> None:
    from PySide6.QtCore import QThreadPool
    from PySide6.QtWidgets import QApplication

    from tests.ui.fake_engine import FakeEngine
    from tests.ui.recording import complete, recorded, write_run
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme
    from ui.work.run_reading import read_run

    application = QApplication([])
    theme = Theme(application, "light")
    folder = home / "runs" / "20260102-101500-grpo-starter"
    if run is None:
        write_run(folder, complete(60, answered=True))
        write_run(home / "runs" / "20260101-090000-grpo-starter", recorded(60, until=41), state="stopped")
    else:
        folder.parent.mkdir()
        folder.symlink_to(run.resolve(), target_is_directory=True)
    session = Session(FakeEngine(), Settings())
    window = MainWindow(session)
    window.show()
    session.refresh_runs()
    session.shown_run.show(read_run(folder), folder)
    out.mkdir(parents=True, exist_ok=True)
    for look in ("light", "dark"):
        theme.apply(look)
        for width, height in SIZES:
            window.resize(width, height)
            for pane in panes:
                window.show_pane(pane)
                settle()
                window.grab().save(str(out / f"{pane}-{look}-{width}.png"))
    window.close()
    QThreadPool.globalInstance().waitForDone()


def settle() -> None:
    from PySide6.QtWidgets import QApplication

    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
