"""Pictures of every pane, light and dark, at three sizes: `python -m tests.ui.screenshots OUT [--run FOLDER]`.

Without a run folder a recorded run is shown. `--scenes` takes sheets, windows and panes in use (`tests.ui.picture_scenes`);
with `--home`, a data home with real runs, the real engine answers.
`QT_SCALE_FACTOR=2` gives pictures as sharp as a Retina display.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ui.panes.table import PANES_BY_KEY

SIZES = ((1280, 800), (1024, 640), (2560, 1440))
if TYPE_CHECKING:
    from ui.main_window import MainWindow

#: long enough for background reads and a few beats
SETTLE_S = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--run", type=Path, help="the run to show")
    parser.add_argument("--panes", nargs="*", default=tuple(PANES_BY_KEY), choices=PANES_BY_KEY)
    parser.add_argument("--scenes", nargs="*", help="these, or all of them, in the place of panes")
    parser.add_argument("--home", type=Path, help="a data home with runs")
    given = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as made:
        home = given.home or Path(made)
        os.environ["DROID_TUNE_HOME"] = str(home)
        take(given.out, opened(given.run, home, real=given.home is not None), given.panes, given.scenes)


def opened(run: Path | None, home: Path, *, real: bool) -> MainWindow:
    """A window on a run: the one given, the newest of a real home, else a recorded one."""
    from PySide6.QtWidgets import QApplication

    from tests.ui.fake_engine import FakeEngine
    from tests.ui.recording import complete, recorded, write_run
    from ui.engine_worker import Engine
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme
    from ui.work.run_reading import read_run

    Theme(QApplication([]), "light")
    folder = home / "runs" / "20260102-101500-grpo-starter"
    if real:
        folder = max((home / "runs").iterdir())
    elif run is None:
        write_run(folder, complete(60, answered=True))
        write_run(home / "runs" / "20260101-090000-grpo-starter", recorded(60, until=41), state="stopped")
    else:
        folder.parent.mkdir()
        folder.symlink_to(run.resolve(), target_is_directory=True)
    session = Session(Engine() if real else FakeEngine(), Settings())
    window = MainWindow(session)
    window.show()
    session.refresh_runs()
    session.shown_run.show(read_run(folder), folder)
    return window


def take(out: Path, window: MainWindow, panes: Sequence[str], scenes: Sequence[str] | None) -> None:
    from PySide6.QtCore import QThreadPool

    from tests.ui.picture_scenes import until
    from ui.theme import current_theme

    out.mkdir(parents=True, exist_ok=True)
    if scenes is not None:
        take_scenes(out, window, scenes)
    for look in ("light", "dark") if scenes is None else ():
        current_theme().apply(look)
        for width, height in SIZES:
            window.resize(width, height)
            for pane in panes:
                window.show_pane(pane)
                settle()
                window.grab().save(str(out / f"{pane}-{look}-{width}.png"))
    window.stop_and_close()  # what a scene began is saved first
    until(lambda: not window.isVisible())
    QThreadPool.globalInstance().waitForDone()


def take_scenes(out: Path, window: MainWindow, names: Sequence[str]) -> None:
    """Each in both looks; in the window at all sizes, a sheet as large as it comes."""
    from tests.ui.picture_scenes import SCENES
    from ui.theme import current_theme

    for name in names or SCENES:
        window.resize(*SIZES[0])
        shown = SCENES[name](window)
        for look in ("light", "dark"):
            current_theme().apply(look)
            for width, height in SIZES if shown is window else (SIZES[0],):
                window.resize(width, height)
                settle()
                shown.grab().save(str(out / f"{name}-{look}-{width}.png"))
        if shown is not window:
            shown.close()
            settle()


def settle() -> None:
    from PySide6.QtWidgets import QApplication

    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
