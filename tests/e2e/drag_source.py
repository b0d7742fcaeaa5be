"""A small window in a corner of the screen from which a path can be dragged, as from a file manager.

`python -m tests.e2e.drag_source X Y PATH`
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel

SIDE = 60
#: what was dropped is asked for after the drop
KEPT_MS = 5_000
TITLE = "to be dragged"


class Source(QLabel):
    """Begins to drag its path when it is pressed, and ends when that is over."""

    def __init__(self, path: str) -> None:
        super().__init__("drag")
        self._path = path
        self.setWindowTitle(TITLE)
        self.setWindowFlags(Qt.WindowType.BypassWindowManagerHint | Qt.WindowType.FramelessWindowHint)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(self._path)])
        drag = QDrag(self)
        drag.setMimeData(mime)
        drag.exec(Qt.DropAction.CopyAction)
        QTimer.singleShot(KEPT_MS, QApplication.quit)


def main() -> None:
    application = QApplication(sys.argv)
    source = Source(sys.argv[3])
    source.setGeometry(int(sys.argv[1]), int(sys.argv[2]), SIDE, SIDE)
    source.show()
    application.exec()


if __name__ == "__main__":
    main()
