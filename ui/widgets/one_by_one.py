"""Parts of a page that are made or drawn one at a time, with whatever else the window has to do between two."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from PySide6.QtCore import QObject, QTimer, Slot

Step = Callable[[], object]


class OneByOne(QObject):
    """A course of steps, each of some 10 ms: the first at once, the others between the window's events."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._due: dict[Hashable, Step] = {}
        self._then: Step | None = None
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._do_next)

    @property
    def busy(self) -> bool:
        """Whether something is still due."""
        return bool(self._due)

    def begin(self, steps: Iterable[Step]) -> None:
        """A new course; what is left of the last one is given up."""
        self._due, self._then = dict(enumerate(steps)), None
        self._do_next()

    def renew(self, steps: Mapping[Hashable, Step], then: Step | None = None) -> None:
        """A new course of steps by name. What the last one left due comes first, in its new form: however often the course is
        renewed, each step has its turn. `then` follows once nothing is due."""
        late = [name for name in self._due if name in steps]
        self._due = {name: steps[name] for name in [*late, *(name for name in steps if name not in late)]}
        self._then = then
        self._do_next()

    def add(self, name: Hashable, step: Step) -> None:
        """One more step of the course, behind all others; it takes the place of one by its name."""
        self._due[name] = step
        if not self._next.isActive():
            self._next.start()

    @Slot()
    def _do_next(self) -> None:
        if self._due:
            self._due.pop(next(iter(self._due)))()
        if self._due:
            self._next.start()
            return
        then, self._then = self._then, None
        if then is not None:
            then()
