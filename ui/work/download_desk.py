"""The download of a model, of which there is one at a time: it outlives the sheet that began it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.control import Watch
from droid_tune.model_files.from_hub.hub_download import download_model, forget_parts
from ui.background import Task
from ui.work.watched_thread import WatchedThread

DownloadState = Literal["idle", "running", "pausing", "paused", "failed"]


class DownloadDesk(QObject):
    """`changed` tells that state, progress or fault is another; `arrived` names a model that is here now."""

    changed = Signal()
    arrived = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.name = ""
        self.state: DownloadState = "idle"
        self.done_bytes = self.total_bytes = 0
        self.fault = ""
        self._thread: WatchedThread | None = None
        self._cancels = False

    @property
    def busy(self) -> bool:
        """Whether a model is being fetched, or waits half fetched for a word."""
        return self.state != "idle"

    def start(self, name: str) -> None:
        """Fetch a model. While another is in hand nothing happens."""
        if not self.busy:
            self.name, self.done_bytes, self.total_bytes = name, 0, 0
            self._go_on()

    @Slot()
    def pause(self) -> None:
        """What is here stays; `resume` goes on behind it."""
        if self._thread is not None and self.state == "running":
            self._tell("pausing")
            self._thread.stop()

    @Slot()
    def resume(self) -> None:
        """Go on after a pause, or after a fault."""
        if self.state in ("paused", "failed"):
            self._go_on()

    @Slot()
    def cancel(self) -> None:
        """End it and let go of what is half here."""
        if self._thread is not None:
            self._cancels = True
            self._tell("pausing")
            self._thread.stop()
        elif self.busy:
            self._forget()

    def shut(self) -> None:
        """The window closes: what is here stays for the next time."""
        if self._thread is not None:
            self._thread.let_go()
            self._thread = None

    def _go_on(self) -> None:
        self._cancels, self.fault = False, ""
        name = self.name

        def work(watch: Watch, _: object) -> Path:
            return download_model(name, watch=watch)

        thread = self._thread = WatchedThread(work)
        thread.progressed.connect(self._progress)
        thread.done.connect(self._arrive)
        thread.failed.connect(self._fail)
        thread.ended.connect(self._end)
        thread.begin()
        self._tell("running")

    # sizes go beyond what a signal's int holds, so they come as floats
    @Slot(float, float, str)
    def _progress(self, done: float, total: float, _what: str) -> None:
        self.done_bytes, self.total_bytes = int(done), int(total)
        self.changed.emit()

    @Slot(object)
    def _arrive(self, _folder: object) -> None:
        self._thread = None
        name, self.name = self.name, ""
        self._tell("idle")
        self.arrived.emit(name)

    @Slot(str)
    def _fail(self, sentence: str) -> None:
        self._thread = None
        self.fault = sentence
        self._tell("failed")

    @Slot()
    def _end(self) -> None:
        self._thread = None
        if self._cancels:
            self._forget()
        else:
            self._tell("paused")

    def _forget(self) -> None:
        Task(partial(forget_parts, self.name), self, done=self._forgotten, failed=self._fail).start()

    def _forgotten(self, _: object) -> None:
        self.name = ""
        self._tell("idle")

    def _tell(self, state: DownloadState) -> None:
        self.state = state
        self.changed.emit()
