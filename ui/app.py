"""Start of the application: one window, one session, errors that are said and logged."""

from __future__ import annotations

import logging
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QCoreApplication, QEvent, QThreadPool, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from droid_tune import __version__
from droid_tune.paths import log_dir
from ui.engine_worker import Engine
from ui.icons import app_icon
from ui.mac import install as install_mac_manners
from ui.main_window import MainWindow
from ui.platform_manners import prepare_environment
from ui.session import Session
from ui.settings import load_settings
from ui.theme import Theme

log = logging.getLogger(__name__)

#: at the end, for background reads
PATIENCE_MS = 3000


class Application(QApplication):
    """Keeps files that the Finder or the Dock asks for until a window can take them."""

    opened = Signal(str)

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.waiting: list[str] = []
        self.ready = False

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent):
            path = event.file()
            if path and self.ready:
                self.opened.emit(path)
            elif path:
                self.waiting.append(path)
            return True
        return super().event(event)

    def hand_over(self) -> list[str]:
        """What waited; from now on `opened` tells at once."""
        self.ready = True
        waiting, self.waiting = self.waiting, []
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
    return log_dir() / "window.log"


def start_log() -> None:
    """Warnings and errors of the window, at most 2 MB of them. A folder that cannot be written costs only the log."""
    try:
        log_dir().mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = RotatingFileHandler(
            log_file(), maxBytes=1_000_000, backupCount=1, encoding="utf-8"
        )
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def main(folder: Path | None = None) -> int:
    """Open the window (with a data folder dropped in) and stay until it closes."""
    prepare_environment()
    QCoreApplication.setApplicationName("Droid Tune")
    QCoreApplication.setApplicationVersion(__version__)
    application = Application(sys.argv[:1])
    application.setApplicationDisplayName("Droid Tune")
    application.setWindowIcon(app_icon())
    start_log()
    settings = load_settings()
    Theme(application, settings.appearance)
    session = Session(Engine(), settings, application)
    sys.excepthook = ErrorHook(session)
    window = MainWindow(session)
    install_mac_manners(window, application)
    window.show()
    wanted = [str(folder)] if folder is not None else []
    for path in [*wanted, *application.hand_over()]:
        window.open_data(Path(path))
    application.opened.connect(window.open_path)
    # The list of runs is read after the first paint.
    QTimer.singleShot(0, session.refresh_runs)
    code = application.exec()
    sys.excepthook = sys.__excepthook__
    QThreadPool.globalInstance().waitForDone(PATIENCE_MS)
    return code
