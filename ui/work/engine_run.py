"""The run in the engine's thread, one at most: its state as its events tell it, and how it is steered."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune.events import Continued, Event, Notice, Paused, RunFinished
from droid_tune.runs.disk.anchor import Anchor
from droid_tune.runs.state import RunState
from ui.engine_worker import Emit, Steering
from ui.work.engine_thread import EngineThread

#: between the press of Train and the engine's thread: time to show the Monitor
START_AFTER_MS = 30
#: seconds of the window's time that events take at once: what an engine tells faster waits its turn behind a click
SLICE_S = 0.008


class EngineRun(QObject):
    """`state` and `folder` are of the run that trains, or trained last in this window."""

    began = Signal()  # before the engine's thread does
    changed = Signal()  # began, stops, paused, ended
    moved = Signal(Path, Path)  # the folder, from and to
    failed = Signal(str)  # why
    ended = Signal(object, bool)  # the RunState, None where it was forgotten; whether a stop was asked for

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.state: RunState | None = None
        self.folder: Path | None = None
        self.stopping = False
        self.stopping_now = False  # was asked twice
        self._thread: EngineThread | None = None
        self._control: Steering | None = None
        self._failure = ""
        self._anchor: Anchor | None = None
        self._held = ExitStack()  # the anchor, as long as the run trains
        # A timer of its own: `singleShot(0)` is a posted event, and those are worked off before the window has a turn.
        self._more = QTimer(self)
        self._more.setSingleShot(True)
        self._more.timeout.connect(self._take_events)
        self._over = False  # the thread has ended

    @property
    def busy(self) -> bool:
        """Whether the engine has a run."""
        return self._thread is not None

    def begin(
        self, folder: Path, state: RunState, control: Steering, work: Callable[[Steering, Emit], object]
    ) -> None:
        """Let the engine `work`, steered by `control`; its events go on with `state`."""
        state.life = "running"
        self.state, self.folder = state, folder
        self._hold(folder)
        self._failure = ""
        self.stopping = self.stopping_now = False
        self._control = control
        self._thread = EngineThread(lambda emit: work(control, emit), self)
        self._thread.told.connect(self._take_events)
        self._thread.failed.connect(self._fail)
        self._thread.finished.connect(self._thread_ended)
        self.began.emit()
        # What watches the run is built before MLX is imported beside it: the two would take turns for seconds.
        QTimer.singleShot(START_AFTER_MS, self._thread, self._thread.start)
        self.changed.emit()

    def stop(self) -> None:
        """Ask the engine to save and end; said at once, done when it can. Asked again: end its children at once."""
        if self._control is not None and self.stopping and not self.stopping_now:
            self.stopping_now = True
            self._control.stop_now()
            self.changed.emit()
        elif self._control is not None and not self.stopping:
            self.stopping = True
            self._control.request_stop()
            if self.state is not None and self.state.life == "paused":
                self.state.life, self.state.held = "running", None
            self.changed.emit()

    def toggle_pause(self) -> None:
        """Pause the run or let it go on; nothing while it is being saved."""
        if self._control is None or self.state is None or self.stopping:
            return
        if self.state.life == "paused":
            self._control.resume()
            self.state.life, self.state.held = "running", None
        else:
            self._control.request_pause()
            self.state.life = "paused"
        self.state.revision += 1
        self.changed.emit()

    def forget(self) -> None:
        """Its folder is gone."""
        self.state = self.folder = None

    @Slot(object)
    def apply(self, event: Event) -> None:
        """What the engine told becomes part of the state."""
        if self.state is None:
            return
        paused = self.state.life == "paused"
        self.state.apply(event)
        if paused and self.state.life == "running" and not isinstance(event, Continued):
            self.state.life = "paused"  # events of the work in flight do not end a pause
        if isinstance(event, Paused | Continued):
            self.changed.emit()
        if isinstance(event, Notice) and event.code == "run_moved":
            self._follow()
        if isinstance(event, Notice) and event.code == "memory_hold" and self.state.running:
            self.state.life = "paused"  # the engine's own pause, for want of memory
            self.changed.emit()

    def _hold(self, folder: Path) -> None:
        """Keep hold of the run's folder, to know where it is when the engine says that it was moved."""
        self._anchor = None
        with suppress(OSError):
            self._anchor = self._held.enter_context(Anchor(folder))

    def _follow(self) -> None:
        now = None if self._anchor is None else self._anchor.where()
        if now is not None and self.folder is not None and now != self.folder:
            before, self.folder = self.folder, now
            self.moved.emit(before, now)

    @Slot(str)
    def _fail(self, sentence: str) -> None:
        self._failure = sentence

    @Slot()
    def _take_events(self) -> None:
        """As many as a slice of time has room for; the rest after whatever else the window has to do."""
        if not self._took_all():
            self._more.start()
        elif self._over:
            self._end()

    def _took_all(self) -> bool:
        end = time.monotonic() + SLICE_S
        while self._thread is not None and (event := self._thread.next_event()) is not None:
            self.apply(event)
            if time.monotonic() > end:
                return False
        return True

    @Slot()
    def _thread_ended(self) -> None:
        self._over = True
        self._take_events()

    def _end(self) -> None:
        self._over = False
        state, thread, asked = self.state, self._thread, self.stopping
        self._thread, self._control, self._anchor = None, None, None
        self._held.close()
        self.stopping = self.stopping_now = False
        if thread is not None:
            thread.deleteLater()
        if state is not None and (state.running or self._failure):
            self._say_failed(state)
        self.changed.emit()
        self.ended.emit(state, asked)

    def _say_failed(self, state: RunState) -> None:
        """Once: as the run's own end, else, where that was told already, beside it."""
        why = self._failure or "The engine ended without saying why; see the log."
        if state.running:
            state.apply(RunFinished(outcome="failed", step=state.step, why=why))
        else:
            self.failed.emit(why)
