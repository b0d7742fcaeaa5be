"""The panes by name and icon."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QFrame, QListView, QWidget

from ui import icons
from ui.theme import current_theme
from ui.widgets.basics import column, label

WIDTH = 188


class Sidebar(QFrame):
    """`chosen` tells the key of a pane."""

    chosen = Signal(str)

    def __init__(self, panes: Sequence[tuple[str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "sidebar")
        self.setFixedWidth(WIDTH)
        self._model = QStandardItemModel(self)
        for key, title in panes:
            item = QStandardItem(title)
            item.setData(key, Qt.ItemDataRole.UserRole)
            item.setEditable(False)
            self._model.appendRow(item)
        layout = column(self, spacing=8)
        layout.setContentsMargins(0, 12, 0, 12)
        self._list = QListView(self)
        self._list.setProperty("role", "sidebar")
        self._list.setAccessibleName("Panes")
        self._list.setModel(self._model)
        self._list.setIconSize(QSize(18, 18))
        self._list.setSpacing(1)
        self._list.setMouseTracking(True)
        self._list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.selectionModel().currentChanged.connect(self._changed)
        layout.addWidget(self._list, 1)
        self._foot = label("", "caption", parent=self, wrap=True)
        self._foot.setContentsMargins(16, 0, 16, 0)
        layout.addWidget(self._foot)
        self._tint()
        current_theme().changed.connect(self._tint)

    def choose(self, key: str) -> None:
        for place in range(self._model.rowCount()):
            index = self._model.index(place, 0)
            if index.data(Qt.ItemDataRole.UserRole) == key and index != self._list.currentIndex():
                self._list.setCurrentIndex(index)

    def show_foot(self, text: str) -> None:
        self._foot.setText(text)

    @Slot()
    def _tint(self) -> None:
        tokens = current_theme().tokens
        for place in range(self._model.rowCount()):
            item = self._model.item(place)
            name = str(item.data(Qt.ItemDataRole.UserRole))
            made = icons.icon(name, tokens.accent)
            for ratio in (1.0, 2.0):
                made.addPixmap(icons.pixmap(name, tokens.on_accent, 18, ratio), QIcon.Mode.Selected)
            item.setIcon(made)

    @Slot(QModelIndex, QModelIndex)
    def _changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        self.chosen.emit(str(current.data(Qt.ItemDataRole.UserRole)))
