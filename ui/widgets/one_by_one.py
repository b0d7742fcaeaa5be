"""Parts of a page that are made one at a time, with whatever else the window has to do between two."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, QTimer, Slot

Step = Callable[[], object]


class OneByOne(QObject):
    """Each step takes some 10 ms; `begin` gives up what is left of the last course."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._due: deque[Step] = deque()
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._do_next)

    def begin(self, steps: Iterable[Step]) -> None:
        """The first at once, the others between the window's events."""
        self._due = deque(steps)
        self._do_next()

    @Slot()
    def _do_next(self) -> None:
        if self._due:
            self._due.popleft()()
        if self._due:
            self._next.start()
