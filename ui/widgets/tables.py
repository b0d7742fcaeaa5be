"""How tables of data look (rows of one height, so that a million of them scroll at once), and cards that scroll."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QScrollArea, QTableView, QWidget

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


def scrolling_card(content: QWidget, parent: QWidget) -> QScrollArea:
    """A card around something that may be higher than its place."""
    area = QScrollArea(parent)
    area.setProperty("role", "card")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    content.setProperty("role", "files")
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    return area
