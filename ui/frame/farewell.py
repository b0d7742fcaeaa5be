"""Ctrl-C in the window's terminal, SIGTERM and a log-out as a signal of Qt."""

from __future__ import annotations

import signal
import socket

from PySide6.QtCore import QObject, QSocketNotifier, Signal

from droid_tune.machine.stop_signals import StopSignals


class Farewell(QObject):
    """`asked` tells of the first signal; the second ends the process at once, as `StopSignals` has it.

    Python runs its handlers only once it is awake, and Qt sleeps outside of it: a byte on a socket wakes both.
    """

    asked = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._ears, self._mouth = socket.socketpair()
        self._ears.setblocking(False)
        self._mouth.setblocking(False)
        self._notifier = QSocketNotifier(self._ears.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        self.was_asked = False
        self._signals = StopSignals(self._first)

    def _first(self, _number: int) -> None:
        self.was_asked = True
        self.asked.emit()

    def close(self) -> None:
        """Leave the signals as they were found."""
        self._signals.close()
        signal.set_wakeup_fd(-1)
        self._notifier.setEnabled(False)
        self._ears.close()
        self._mouth.close()

    def _woken(self) -> None:
        self._ears.recv(4096)
