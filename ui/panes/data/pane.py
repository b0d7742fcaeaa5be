"""The data: a place to drop it, what was found in each file, its rows, what is wrong, what it is like, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from droid_tune import words
from droid_tune.data.formats.table import need_of
from ui.panes.base import Pane
from ui.panes.data.columns_view import ColumnsView
from ui.panes.data.data_bar import VIEWS, DataBar
from ui.panes.data.data_notices import DataNotices
from ui.panes.data.data_reader import DataReader, Inspection
from ui.panes.data.draft_data import beside, limits_of, source_of
from ui.panes.data.drop_bar import DropBar
from ui.panes.data.files_card import FilesCard
from ui.panes.data.issues.issues_view import IssuesView
from ui.panes.data.looking_bar import LookingBar
from ui.panes.data.rows.look import Look
from ui.panes.data.rows.rows_view import RowsView
from ui.panes.data.split_dialog import SplitDialog
from ui.panes.data.statistics.statistics_view import StatisticsView
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.panes.data.tools.tools_view import ToolsView
from ui.session import Session
from ui.widgets.basics import column
from ui.widgets.lists.finder import Finder


class DataPane(Pane):
    """Looks through the draft's data whenever it changes, and when the method asks for other rows."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._inspected: tuple[object, ...] = ()
        self._found: Inspection | None = None
        self._turned_from = ""  # the view that the user had chosen, where another is shown for want of rows
        self._desk = TokenizerDesk(self)
        self._acting = ""
        self._reader = DataReader(self)
        self._reader.started.connect(self._begin)
        self._reader.inspected.connect(self._show)
        layout = column(self, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self._drop = DropBar(self)
        self._drop.chosen.connect(session.set_data)
        self._drop.several.connect(self.take)
        layout.addWidget(self._drop)
        self._looking = LookingBar(self)
        self._looking.cancelled.connect(self._stop)
        self._reader.progressed.connect(self._looking.show_progress)
        layout.addWidget(self._looking)
        self._notices = self._make_notices()
        layout.addWidget(self._notices)
        self._files = FilesCard(self)
        layout.addWidget(self._files)
        self._bar = self._make_bar()
        layout.addWidget(self._bar)
        layout.addWidget(self._views(), 1)
        session.data_changed.connect(self._data_changed)

    def refresh(self) -> None:
        """Look through the draft's data where it is other than what was looked through last."""
        source = source_of(self.session.draft)
        wanted = (source.path, str(source.files), str(source.mapping), need_of(source.method))
        if wanted != self._inspected:
            self._inspected = wanted
            self._reader.inspect(source)
        self._tell_views()

    def shut(self) -> None:
        """The window closes: no look may go on."""
        self._reader.cancel()
        for view in (self._rows, self._statistics, self._tools):
            view.shut()
        self._desk.close(self.session.engine.end_openings)

    def finder(self) -> Finder:
        """All rows of the split where rows are shown, else what is seen."""
        return (
            self._rows.finder()
            if self._bar.view.key == "rows" and self._rows.rows is not None
            else super().finder()
        )

    def show_view(self, key: str) -> None:
        """As if the user had chosen it."""
        self._bar.view.choose(key)
        self._switch(key)

    @Slot(list)
    def take(self, paths: Sequence[Path]) -> None:
        """Several files that were dropped or chosen together: which split is each?"""
        dialog = SplitDialog(list(paths), self)
        dialog.assigned.connect(self.session.set_files)
        dialog.open()

    def take_text(self, text: str) -> None:
        """A tool that is to be used."""
        self.show_view("tools")
        self._tools.choose(text)

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_notices(self) -> DataNotices:
        made = DataNotices(self)
        made.mapping_chosen.connect(self._set_mapping)
        made.columns_wanted.connect(partial(self.show_view, "columns"))
        made.method_chosen.connect(self._set_method)
        return made

    def _make_bar(self) -> DataBar:
        made = DataBar(self)
        made.view.chosen.connect(self._turn)
        made.split.chosen.connect(self._choose_split)
        made.row_wanted.connect(self._go_to)
        return made

    def _views(self) -> QStackedWidget:
        session = self.session
        self._pages = QStackedWidget(self)
        self._rows = RowsView(session.engine, self._desk, self._pages)
        self._rows.thinking_chosen.connect(self._set_thinking)
        self._rows.row_chosen.connect(self._bar.show_row)
        self._issues = IssuesView(self._pages)
        self._issues.told.connect(self._tell)
        self._statistics = StatisticsView(session.engine, self._desk, self._pages)
        self._columns = ColumnsView(self._pages)
        self._columns.confirmed.connect(self._set_mapping)
        self._tools = ToolsView(session.engine, self._desk, self._pages)
        self._tools.data_wanted.connect(session.set_data)
        for view in (self._rows, self._issues, self._statistics, self._columns, self._tools):
            self._pages.addWidget(view)
        return self._pages

    # --- drawing ------------------------------------------------------------------------------------------------

    def _tell_views(self) -> None:
        """What of the draft the views depend on."""
        draft, found = self.session.draft, self._found
        look, dataset = Look.of(draft), found.dataset if found is not None else None
        if look.acting != self._acting:
            self._acting = look.acting
            self._desk.later(self.session.engine.end_openings)
        self._rows.show_look(look)
        self._statistics.show_data(dataset, look, limits_of(draft))
        self._tools.show_data(dataset, look, beside(source_of(draft)))

    @Slot()
    def _begin(self) -> None:
        source = source_of(self.session.draft)
        self._drop.show_source(source)
        self._notices.clear()
        self._looking.begin(source.path)

    @Slot(object)
    def _show(self, found: Inspection) -> None:
        self._found = found
        self._looking.hide()
        self._files.show_report(found.report)
        self._notices.show_found(found)
        self._issues.show_issues(found.issues)
        self._show_columns(found)
        self._bar.show_found(found)
        self._choose_split(self._bar.split.key)
        self._tell_views()
        self.show_view(self._view_for(found))

    def _view_for(self, found: Inspection) -> str:
        """Where nothing can be read, what is wrong with it; with the next data again what the user had chosen."""
        chosen, self._turned_from = self._turned_from or self._bar.view.key, ""
        if found.splits:
            return chosen
        self._turned_from = chosen
        return "issues" if found.issue_count else "columns" if found.proposals else "rows"

    def _show_columns(self, found: Inspection) -> None:
        files = found.report.files if found.report is not None else []
        source = source_of(self.session.draft)
        self._columns.show_rows(
            found.raw_rows, source.method, source.mapping, found.proposals, files[0].format if files else None
        )

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot(str)
    def _turn(self, key: str) -> None:
        """The user has chosen."""
        self._turned_from = ""
        self._switch(key)

    def _switch(self, key: str) -> None:
        self._pages.setCurrentIndex([name for name, _ in VIEWS].index(key))
        self._bar.fit()
        if key == "statistics":
            self._statistics.measure()
        self.turned_over.emit()

    @Slot(str)
    def _choose_split(self, split: str) -> None:
        found = self._found
        rows = found.splits.get(split) if found is not None else None
        self._rows.show_rows(rows, found.columns.get(split, {}) if found is not None else {})
        self._statistics.show_split(split)
        self._bar.show_split()

    @Slot(int)
    def _go_to(self, number: int) -> None:
        self._rows.go_to(number)

    @Slot(object)
    def _set_mapping(self, mapping: dict[str, str]) -> None:
        self.session.draft.set("data.mapping", mapping)
        self._draft_changed()

    @Slot(str)
    def _set_method(self, method: str) -> None:
        self.session.draft.method = method
        self._draft_changed()

    @Slot(str)
    def _set_thinking(self, thinking: str) -> None:
        self.session.draft.set("data.thinking", thinking)
        self._draft_changed()

    def _draft_changed(self) -> None:
        self.session.draft_changed.emit()
        self.refresh()

    @Slot(str)
    def _tell(self, sentence: str) -> None:
        self._notices.add("info", words.literal(sentence))

    @Slot(str)
    def _data_changed(self, path: str) -> None:
        self._inspected = ()
        if self.isVisible():
            self.refresh()

    @Slot()
    def _stop(self) -> None:
        self._reader.cancel()
        self._looking.hide()
        self._notices.add("info", "Looking through the data was cancelled.", "Choose it again to start over.")
