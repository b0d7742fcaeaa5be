"""The panes by name and icon."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QFrame, QListView, QWidget

from ui import icons
from ui.panes.table import PaneEntry
from ui.theme import current_theme
from ui.widgets.basics import column

WIDTH = 188


class Sidebar(QFrame):
    """`chosen` tells the key of a pane."""

    chosen = Signal(str)

    def __init__(self, panes: Sequence[PaneEntry], parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "sidebar")
        self.setFixedWidth(WIDTH)
        self._model = QStandardItemModel(self)
        self._icons = {pane.key: pane.icon for pane in panes}
        for pane in panes:
            item = QStandardItem(pane.title)
            item.setData(pane.key, Qt.ItemDataRole.UserRole)
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
        self.setFocusProxy(self._list)
        layout.addWidget(self._list, 1)
        self._tint()
        current_theme().changed.connect(self._tint)

    def choose(self, key: str) -> None:
        """Mark a pane as the one that is seen; `chosen` tells where that is another one."""
        for place in range(self._model.rowCount()):
            index = self._model.index(place, 0)
            if index.data(Qt.ItemDataRole.UserRole) == key and index != self._list.currentIndex():
                self._list.setCurrentIndex(index)

    @Slot()
    def _tint(self) -> None:
        tokens = current_theme().tokens
        for place in range(self._model.rowCount()):
            item = self._model.item(place)
            name = self._icons[str(item.data(Qt.ItemDataRole.UserRole))]
            made = icons.icon(name, tokens.accent)
            for ratio in (1.0, 2.0):
                made.addPixmap(icons.pixmap(name, tokens.on_accent, 18, ratio), QIcon.Mode.Selected)
            item.setIcon(made)

    @Slot(QModelIndex, QModelIndex)
    def _changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        self.chosen.emit(str(current.data(Qt.ItemDataRole.UserRole)))
