"""Files dragged anywhere onto the window: a highlighted zone while they hover, one signal when they fall.

The events are caught at the window's own `QWindow`, before Qt looks for a child under the pointer: text fields would
take a folder for text otherwise.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from ui import icons
from ui.theme import current_theme


class DropZone(QWidget):
    """Covers the window while something hovers over it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Drop here to open the data")
        self.hide()

    def cover(self) -> None:
        """Lie over the whole window."""
        self.setGeometry(self._window.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(tokens.window)
        veil.setAlphaF(0.82)
        painter.fillRect(self.rect(), veil)
        zone = QRectF(self.rect()).adjusted(28, 28, -28, -28)
        painter.setBrush(QColor(tokens.accent_soft))
        painter.setPen(QPen(QColor(tokens.accent), 2.5, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(zone, 18, 18)
        middle = zone.center()
        painter.drawPixmap(
            round(middle.x()) - 28, round(middle.y()) - 74, icons.pixmap("drop", tokens.accent, 56)
        )
        self._write(painter, zone.adjusted(0, 20, 0, 20), "Drop to open it", 20, tokens.text, bold=True)
        said = "A folder with train.jsonl (and valid.jsonl), or one file; a model folder; a config; a reward in Python."
        self._write(painter, zone.adjusted(0, 76, 0, 76), said, 13, tokens.secondary)
        painter.end()

    def _write(
        self, painter: QPainter, area: QRectF, text: str, pixels: int, color: str, *, bold: bool = False
    ) -> None:
        font = self.font()
        font.setPixelSize(pixels)
        font.setBold(bold)
        painter.setFont(font)
        painter.setPen(QColor(color))
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, text)


class DropCatcher(QObject):
    """An event filter for the `QWindow`. `dropped` tells local paths that exist."""

    dropped = Signal(list)

    def __init__(self, zone: DropZone, parent: QObject) -> None:
        super().__init__(parent)
        self._zone = zone

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove) and isinstance(
            event, QDragEnterEvent | QDragMoveEvent
        ):
            return self._hover(event)
        if kind == QEvent.Type.DragLeave:
            self._zone.hide()
        elif kind == QEvent.Type.Drop and isinstance(event, QDropEvent):
            return self._fall(event)
        return False

    def _hover(self, event: QDragEnterEvent | QDragMoveEvent) -> bool:
        if not local_paths(event.mimeData()):
            return False
        self._zone.cover()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        return True

    def _fall(self, event: QDropEvent) -> bool:
        self._zone.hide()
        paths = local_paths(event.mimeData())
        if not paths:
            return False
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.dropped.emit(paths)
        return True


def local_paths(data: QMimeData) -> list[Path]:
    """The files and folders on this computer among what is dragged."""
    if not data.hasUrls():
        return []
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.exists()]


def meant_data(paths: list[Path]) -> Path | None:
    """What several dropped things mean as data: one itself, files of one folder that folder; else nothing."""
    if len(paths) == 1:
        return paths[0]
    folders = {path.parent for path in paths}
    if len(folders) == 1 and all(path.is_file() for path in paths):
        return folders.pop()
    return None


def is_model_folder(path: Path) -> bool:
    """A folder of a model rather than of rows, even of one that will be refused: then it is told why."""
    if not (path / "config.json").is_file():
        return False
    return (path / "tokenizer_config.json").is_file() or any(path.glob("*.safetensors"))
