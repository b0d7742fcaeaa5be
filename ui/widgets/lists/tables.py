"""How tables of data look (rows of one height, so that a million of them scroll at once), and cards that scroll."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QScrollArea,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
    QWidget,
)

from ui.widgets.basics import plain_tip

Index = QModelIndex | QPersistentModelIndex

ROW_HEIGHT = 28


def data_table(model: QAbstractItemModel, name: str, parent: QWidget) -> QTableView:
    """A table of whole rows to choose one from, its text never edited, never wrapped."""
    table = QTableView(parent)
    table.setModel(model)
    dress_table(table, name)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    return table


def dress_table(table: QTableView, name: str) -> None:
    """Let a table look as all of them do."""
    table.setAccessibleName(name)
    table.setItemDelegate(TellingDelegate(table))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    table.setWordWrap(False)
    table.setShowGrid(False)
    table.setTextElideMode(Qt.TextElideMode.ElideRight)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setHighlightSections(False)
    table.verticalHeader().setHighlightSections(False)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class TellingDelegate(QStyledItemDelegate):
    """A cell whose text has no room is told whole when the mouse rests on it, where its model tells nothing else."""

    def helpEvent(
        self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        own = index.data(Qt.ItemDataRole.ToolTipRole)
        text = index.data(Qt.ItemDataRole.DisplayRole)
        room = view.visualRect(cast("QModelIndex", index)).width()
        if event.type() != QEvent.Type.ToolTip or own or not text:
            return super().helpEvent(event, view, option, index)
        cut = self.sizeHint(option, index).width() > room
        QToolTip.showText(event.globalPos(), plain_tip(str(text)) if cut else "", view)
        return True


def scrolling_card(content: QWidget, parent: QWidget) -> QScrollArea:
    """A card around something that may be higher than its place."""
    area = QScrollArea(parent)
    area.setAccessibleName("Page")  # the arrow keys scroll it
    area.setProperty("role", "card")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    content.setProperty("role", "files")
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    return area
