"""How the table of completions looks: numbers narrow, the text as wide as the window has room for."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from ui.panes.rollouts.completions_model import TEXT_PLACE, CompletionsModel
from ui.widgets.lists.tables import TellingDelegate

#: pixels of a number's column, where its heading needs no more, and of the text's column at least
NUMBER_WIDTH, TEXT_WIDTH = 66, 250
ROW_HEIGHT = 26


class CompletionsTable(QTableView):
    """Whole rows, scrolled across where there is no room for all columns."""

    def __init__(self, model: CompletionsModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setAccessibleName("Completions of the run")
        self.setItemDelegate(TellingDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMinimumWidth(300)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        head = self.horizontalHeader()
        head.setSectionsClickable(True)
        head.setHighlightSections(False)
        head.setSortIndicatorShown(True)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setDefaultSectionSize(NUMBER_WIDTH)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        head.sectionCountChanged.connect(self._fit_headings)
        self._fit_headings()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._widen_text()

    @Slot()
    def _fit_headings(self) -> None:
        """No heading is cut: the names of rewards are the user's."""
        head = self.horizontalHeader()
        for place in range(head.count()):
            head.resizeSection(place, max(NUMBER_WIDTH, head.sectionSizeHint(place)))
        self._widen_text()

    def _widen_text(self) -> None:
        """Give the text what the numbers leave."""
        head = self.horizontalHeader()
        numbers = head.length() - head.sectionSize(TEXT_PLACE)
        head.resizeSection(TEXT_PLACE, max(TEXT_WIDTH, self.viewport().width() - numbers))
