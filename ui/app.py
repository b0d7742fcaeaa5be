"""Start of the application: one window, one session, errors that are said and logged."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import ModuleType, TracebackType

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QThreadPool, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from droid_tune import __version__
from droid_tune.machine.keychain import has_keychain, use_kept_token
from droid_tune.machine.stop_signals import STOPPED
from droid_tune.paths import log_dir, private_file, private_folder
from ui.background import answers
from ui.engine_worker import Engine
from ui.frame.collector import Collector
from ui.frame.farewell import Farewell
from ui.frame.first_paint import FIRST_PAINT, FirstPaint
from ui.frame.lingering import LINGERING
from ui.frame.platform_manners import prepare_environment
from ui.icons import app_icon
from ui.mac import install as install_mac_manners
from ui.main_window import MainWindow
from ui.panes.table import PANES
from ui.session import Session
from ui.settings import load_settings
from ui.theme import Theme
from ui.widgets.one_by_one import OneByOne, Step

log = logging.getLogger(__name__)

#: how long a thread computes in Python before another may; the window's beat waits for it (tests/benchmarks/stalls.py)
SWITCH_S = 0.001
#: after the window was painted
PRELOAD_AFTER_MS = 600
#: of 750 in all, which take 0.17 s; one takes 0.02 s
TYPES_AT_ONCE = 16
#: panes that are made ahead, one thing at a time with this long between two
AHEAD = ("monitor", "rollouts", "result")
PREPARE_EVERY_MS = 60
#: after a run has ended
BETWEEN_RUNS_MS = 3_000
#: at the very end, for background reads and threads that were asked to end
PATIENCE_S = 3.0
#: an estimate takes milliseconds; it must not queue behind large files that are read, however few the cores
LEAST_THREADS = 6


class Application(QApplication):
    """What the Finder and the Dock ask to open is kept until a window can take it.

    No event filter of the application: that would be asked in Python about every event of every widget.
    """

    opened = Signal(str)

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._waiting: list[str] = []
        self._ready = False

    def event(self, event: QEvent) -> bool:
        if event.type() != QEvent.Type.FileOpen or not isinstance(event, QFileOpenEvent):
            return super().event(event)
        if self._ready:
            self.opened.emit(event.file())
        else:
            self._waiting.append(event.file())
        return True

    def hand_over(self) -> list[str]:
        """What waited; from now on `opened` tells at once."""
        self._ready = True
        waiting, self._waiting = self._waiting, []
        return waiting


class ErrorHook:
    """An unforeseen error: logged with its traceback, said in the window in one sentence; the window goes on."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QCoreApplication.quit()
            return
        log.error("unforeseen\n%s", "".join(traceback.format_exception(kind, error, trace)))
        said = f"Something unforeseen went wrong in the window: {kind.__name__}: {error}"
        self._session.told.emit(
            "error", said, f"A training run is not touched by this. Details: {log_file()}"
        )


def log_file() -> Path:
    """Where warnings and errors of the window are kept."""
    return log_dir() / "window.log"


def start_log() -> None:
    """Warnings and errors of the window, at most 2 MB of them. A folder that cannot be written costs only the log."""
    try:
        private_folder(log_dir())
        private_file(log_file())
        handler: logging.Handler = RotatingFileHandler(
            log_file(), maxBytes=1_000_000, backupCount=1, encoding="utf-8"
        )
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def let_the_window_in() -> None:
    """The engine's thread gives way to the window's after a millisecond of Python, not after five."""
    sys.setswitchinterval(SWITCH_S)


def types_of_qt() -> Iterator[Step]:
    """PySide 6.9 makes a class with its enumerations when it is first asked for, which two threads may not do at once.

    The window died in `paintEvent` while pyqtgraph, read in a thread, asked for all of them. A few at a time, in the window's.
    """
    for module in (QtCore, QtGui, QtWidgets):
        names = dir(module)
        for start in range(0, len(names), TYPES_AT_ONCE):
            yield partial(_ask_for, module, names[start : start + TYPES_AT_ONCE])


def _ask_for(module: ModuleType, names: Sequence[str]) -> None:
    for name in names:
        getattr(module, name)


class Preload(QObject):
    """What a first look would wait for, before anybody waits: every pane's modules, and the panes that a run is watched in."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._types = OneByOne(self)
        self._answers = answers()

    @Slot()
    def begin_soon(self) -> None:
        """Once the window had a moment for its first events."""
        QTimer.singleShot(PRELOAD_AFTER_MS, self, self.begin)

    @Slot()
    def begin(self) -> None:
        """Have Qt's types made, then read the modules."""
        self._types.renew(dict(enumerate(types_of_qt())), self._read_modules)

    def _read_modules(self) -> None:
        """Not in the GUI thread."""
        QThreadPool.globalInstance().start(self._import)
        if has_keychain():
            QThreadPool.globalInstance().start(use_kept_token)

    def _import(self) -> None:
        import_module("pyqtgraph")
        for pane in PANES:
            pane.read()
        self._answers.post(self, self._go_on)

    def _go_on(self) -> None:
        self._build_soon()
        # a run that began meanwhile does not keep the panes from being made when it has ended
        self._window.session.life_changed.connect(self._build_later)

    def _build_soon(self) -> None:
        QTimer.singleShot(PREPARE_EVERY_MS, self, self._build)

    @Slot()
    def _build_later(self) -> None:
        """Once what came of the run has been drawn."""
        QTimer.singleShot(BETWEEN_RUNS_MS, self, self._build)

    @Slot()
    def _build(self) -> None:
        """One thing at a time, while nothing trains."""
        if not self._window.session.training and any(map(self._advance, AHEAD)):
            self._build_soon()

    def _advance(self, key: str) -> bool:
        """Make a pane, or a little of what it will need; False where it has all."""
        if self._window.has_pane(key):
            return self._window.pane(key).prepare()
        self._window.pane(key)
        return True


def main(folder: Path | None = None) -> int:
    """Open the window (with a data folder dropped in) and stay until it closes; 130 where a signal closed it."""
    prepare_environment()
    let_the_window_in()
    FIRST_PAINT.close()
    pool = QThreadPool.globalInstance()
    pool.setMaxThreadCount(max(LEAST_THREADS, pool.maxThreadCount()))
    QCoreApplication.setApplicationName("Droid Tune")
    QCoreApplication.setApplicationVersion(__version__)
    application = Application(sys.argv[:1])
    application.setApplicationDisplayName("Droid Tune")
    application.setWindowIcon(app_icon())
    start_log()
    damaged: list[str] = []
    settings = load_settings(tell=damaged.append)
    Theme(application, settings.appearance, strong=settings.high_contrast)
    session = Session(Engine(lambda: settings.separate_process), settings, application)
    sys.excepthook = ErrorHook(session)
    window = MainWindow(session)
    first_paint = FirstPaint(window)
    collector = Collector(application)
    first_paint.done.connect(collector.start)
    first_paint.done.connect(FIRST_PAINT.open)
    first_paint.done.connect(session.refresh_runs)
    first_paint.done.connect(session.go_on_with_queue)
    first_paint.done.connect(Preload(window).begin_soon)
    install_mac_manners(window, application)
    farewell = Farewell(application)
    farewell.asked.connect(window.stop_and_close, Qt.ConnectionType.QueuedConnection)
    window.show()
    for sentence in damaged:
        log.warning(sentence)
        session.told.emit("warning", sentence, "")
    wanted = [str(folder)] if folder is not None else []
    for path in [*wanted, *application.hand_over()]:
        window.open_path(path)
    application.opened.connect(window.open_path)
    code = application.exec()
    collector.stop()
    farewell.close()
    sys.excepthook = sys.__excepthook__
    LINGERING.see_off(PATIENCE_S)
    return STOPPED if farewell.was_asked else code
