"""Undo and redo of the form: what the draft was before each change, whoever made it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, cast

from PySide6.QtCore import QObject, QTimer, Slot

from ui.session import Session

#: how often it looks whether the draft changed
LOOK_MS = 200
#: changes of one setting that follow each other within this time are one (a number that is typed)
TOGETHER_S = 1.0
MOST = 200

Values = dict[str, Any]


class DraftHistory(QObject):
    """Looks at the draft instead of listening to its many editors: a drop, an import and a key are undone alike."""

    def __init__(
        self, session: Session, parent: QObject, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._session, self._clock = session, clock
        self._now = self._read()
        self._before: list[Values] = []
        self._after: list[Values] = []
        self._changed_at, self._changed = 0.0, frozenset[str]()
        timer = QTimer(self)
        timer.setInterval(LOOK_MS)
        timer.timeout.connect(self.look)
        timer.start()

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        self.look()
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether something was taken back since the last change."""
        self.look()
        return bool(self._after)

    @Slot()
    def look(self) -> None:
        """Keep what the draft was, where it is another now."""
        found = self._read()
        changed = _differences("", self._now, found)
        if not changed:
            return
        moment = self._clock()
        typed = changed == self._changed and moment - self._changed_at < TOGETHER_S and self._before
        if not typed:
            self._before = [*self._before, self._now][-MOST:]
        self._after = []
        self._now, self._changed, self._changed_at = found, changed, moment

    def undo(self) -> None:
        """Back to what the draft was before the last change."""
        self.look()
        self._step(self._before, self._after)

    def redo(self) -> None:
        """Forward again."""
        self.look()
        self._step(self._after, self._before)

    def _step(self, source: list[Values], target: list[Values]) -> None:
        if not source:
            return
        target.append(self._now)
        self._now, self._changed = source.pop(), frozenset()
        self._session.restore_draft(copy.deepcopy(self._now))

    def _read(self) -> Values:
        return copy.deepcopy(self._session.draft.to_values())


def _differences(place: str, before: Any, after: Any) -> frozenset[str]:
    """The paths at which two drafts differ; a section that is not there is an empty one."""
    if isinstance(before, dict) or isinstance(after, dict):
        old, new = cast("Values", before or {}), cast("Values", after or {})
        parts = [_differences(f"{place}.{name}", old.get(name), new.get(name)) for name in {*old, *new}]
        return frozenset[str]().union(*parts)
    return frozenset[str]() if before == after else frozenset((place,))
