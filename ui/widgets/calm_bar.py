"""How far something is."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar


class CalmBar(QProgressBar):
    """Is painted with the window's next paint. Qt's own paints within `setValue`, and with itself all else that waits to be
    painted: every chart of a run that trains, in each beat."""

    def setValue(self, value: int) -> None:
        if value == self.value():
            return
        self.setUpdatesEnabled(False)
        super().setValue(value)
        self.setUpdatesEnabled(True)
