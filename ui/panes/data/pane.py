"""The data: a place to drop it, what was found in each file, its rows, what is wrong, what it is like, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSpinBox, QStackedWidget, QWidget

from droid_tune import words
from droid_tune.data.formats.table import need_of
from droid_tune.data.reading.hub_dataset import HUB_PREFIX
from droid_tune.paths import BUNDLED_DATA
from ui.panes.base import Pane
from ui.panes.data.columns_view import ColumnsView
from ui.panes.data.data_reader import DataReader, Inspection, Source
from ui.panes.data.drop_bar import DropBar
from ui.panes.data.files_card import SPLIT_WORDS, FilesCard
from ui.panes.data.issues.issues_view import IssuesView
from ui.panes.data.rows.look import Look
from ui.panes.data.rows.rows_view import RowsView
from ui.panes.data.split_dialog import SplitDialog
from ui.panes.data.statistics.statistics_view import Lengthy, StatisticsView
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.panes.data.tools.tools_view import ToolsView
from ui.session import Session
from ui.widgets.basics import button, column, label, row
from ui.widgets.finder import Finder
from ui.widgets.notice import NoticeStack
from ui.widgets.segmented import Segmented

VIEWS = (
    ("rows", "Rows"),
    ("issues", "Issues"),
    ("statistics", "Statistics"),
    ("columns", "Columns"),
    ("tools", "Tools"),
)
USE_PROPOSAL, EDIT_COLUMNS = "Use It", "Edit…"


class DataPane(Pane):
    """Looks through the draft's data whenever it changes, and when the method asks for other rows."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._inspected: tuple[object, ...] = ()
        self._found: Inspection | None = None
        self._desk = TokenizerDesk(self)
        self._acting = ""
        self._reader = DataReader(self)
        self._reader.started.connect(self._begin)
        self._reader.progressed.connect(self._progress)
        self._reader.inspected.connect(self._show)
        layout = column(self, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self._drop = DropBar(self)
        self._drop.chosen.connect(session.set_data)
        self._drop.several.connect(self.take)
        layout.addWidget(self._drop)
        layout.addLayout(self._progress_row())
        self._notices = NoticeStack(self, most=2)
        layout.addWidget(self._notices)
        self._files = FilesCard(self)
        layout.addWidget(self._files)
        layout.addLayout(self._bar())
        layout.addWidget(self._views(), 1)
        session.data_changed.connect(self._data_changed)

    def refresh(self) -> None:
        """Look through the draft's data where it is other than what was looked through last."""
        draft = self.session.draft
        source = self._source()
        wanted = (source.path, str(source.files), str(source.mapping), need_of(draft.method))
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
            if self._view.key == "rows" and self._rows.rows is not None
            else super().finder()
        )

    def show_view(self, key: str) -> None:
        """As if the user had chosen it."""
        self._view.choose(key)
        self._switch(key)

    @Slot(list)
    def take(self, paths: Sequence[Path]) -> None:
        """Several files that were dropped or chosen together: which split is each?"""
        dialog = SplitDialog(list(paths), self)
        dialog.assigned.connect(self.session.set_files)
        dialog.open()

    # --- parts --------------------------------------------------------------------------------------------------

    def _progress_row(self) -> QHBoxLayout:
        bar = row(spacing=10)
        self._bar_widget = QProgressBar(self)
        self._bar_widget.setRange(0, 1000)
        self._bar_widget.setTextVisible(False)
        self._bar_widget.setAccessibleName("Looking through the data")
        self._cancel = button("Cancel", "quiet", parent=self)
        self._cancel.clicked.connect(self._stop)
        self._what = label("", "small", parent=self)
        bar.addWidget(self._what)
        bar.addWidget(self._bar_widget, 1)
        bar.addWidget(self._cancel)
        self._busy(False)
        return bar

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=10)
        self._view = Segmented(VIEWS, self, "Show")
        self._view.chosen.connect(self._switch)
        self._split = Segmented(tuple(SPLIT_WORDS.items()), self, "Split")
        self._split.chosen.connect(self._choose_split)
        self._count = label("", "small", parent=self)
        self._go = QSpinBox(self)
        self._go.setPrefix("Row ")
        self._go.setGroupSeparatorShown(True)
        self._go.setKeyboardTracking(False)
        self._go.setAccessibleName("Go to row")
        self._go.setToolTip("Go to a row by its number")
        self._go.valueChanged.connect(self._go_to)
        bar.addWidget(self._view)
        bar.addStretch(1)
        bar.addWidget(self._go)
        bar.addWidget(self._count)
        bar.addWidget(self._split)
        return bar

    def _views(self) -> QStackedWidget:
        session = self.session
        self._pages = QStackedWidget(self)
        self._rows = RowsView(session.engine, self._desk, self._pages)
        self._rows.thinking_chosen.connect(self._set_thinking)
        self._rows.row_chosen.connect(self._show_number)
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

    # --- reading the draft --------------------------------------------------------------------------------------

    def _source(self) -> Source:
        draft = self.session.draft
        return Source(draft.data, draft.method, draft.value("data.mapping"), draft.value("data.files"))

    def _limits(self) -> Lengthy:
        draft = self.session.draft
        sequence, completion = (
            draft.value("training.max_seq_length"),
            draft.value("sampling.max_completion_length"),
        )
        rollouts = need_of(draft.method) == "prompt"
        # A field that holds no number yet is said by the Setup pane.
        numbers = isinstance(sequence, int) and isinstance(completion, int)
        return Lengthy(sequence, completion, rollouts) if numbers else Lengthy(2048, 256, rollouts)

    def _tell_views(self) -> None:
        """What of the draft the views depend on."""
        found, look = self._found, Look.of(self.session.draft)
        if look.acting != self._acting:
            self._acting = look.acting
            self._desk.later(self.session.engine.end_openings)
        dataset = found.dataset if found is not None else None
        self._rows.show_look(look)
        self._statistics.show_data(dataset, look, self._limits())
        self._tools.show_data(dataset, look, self._beside())

    def _beside(self) -> Path:
        """What new folders are named after: the data's own place, or the user's folder."""
        source = self._source()
        if source.path in BUNDLED_DATA:
            return Path.home() / f"{source.path}-data"
        if source.path.startswith(HUB_PREFIX):
            return Path.home() / source.path.rpartition("/")[2].partition(":")[0]
        folder = source.folder
        return folder if folder.is_dir() else folder.with_name(folder.name.partition(".")[0])

    # --- drawing ------------------------------------------------------------------------------------------------

    def _busy(self, busy: bool) -> None:
        for part in (self._bar_widget, self._cancel, self._what):
            part.setVisible(busy)

    @Slot()
    def _begin(self) -> None:
        source = self._source()
        self._drop.show_source(source)
        self._notices.clear()
        self._what.setText(
            "Asking the Hub" if source.path.startswith(HUB_PREFIX) else "Looking through the data"
        )
        self._bar_widget.setValue(0)
        self._busy(True)

    @Slot(int, str)
    def _progress(self, thousandths: int, file: str) -> None:
        self._what.setText(words.literal(f"Looking through {file}"))
        self._bar_widget.setValue(thousandths)

    @Slot(object)
    def _show(self, found: Inspection) -> None:
        self._found = found
        self._busy(False)
        self._files.show_report(found.report)
        self._say_faults(found)
        self._issues.show_issues(found.issues)
        self._view.retitle("issues", f"Issues ({found.issue_count:,})" if found.issue_count else "Issues")
        self._show_columns(found)
        names = list(found.splits)
        for key in SPLIT_WORDS:
            self._split.allow(key, key in names)
        if names and self._split.key not in names:
            self._split.choose(names[0])
        self._choose_split(self._split.key)
        self._tell_views()
        wanted = self._view.key
        if not names:
            wanted = "issues" if found.issue_count else "columns" if found.proposals else "rows"
        self.show_view(wanted)

    def _say_faults(self, found: Inspection) -> None:
        if _is_to_be_mapped(found):
            said = found.proposals[0].said
            bar = self._notices.add(
                "info",
                "The columns have other names than ours.",
                f"They can be read so: {words.literal(said)}.",
                actions=(USE_PROPOSAL, EDIT_COLUMNS),
            )
            bar.chosen.connect(partial(self._answer_proposal, dict(found.proposals[0].mapping)))
            return
        files = found.report.errors if found.report is not None else []
        for said in dict.fromkeys([found.fault, *(file.error.message for file in files if file.error)]):
            if said and not any(said in bar.text for bar in self._notices.bars()):
                self._notices.add("error", words.literal(said))
        notes = found.report.notes if found.report is not None else []
        if notes:
            self._notices.add("info", words.literal(" ".join(notes)))

    def _show_columns(self, found: Inspection) -> None:
        files = found.report.files if found.report is not None else []
        source = self._source()
        self._columns.show_rows(
            found.raw_rows, source.method, source.mapping, found.proposals, files[0].format if files else None
        )

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot(str)
    def _switch(self, key: str) -> None:
        self._pages.setCurrentIndex([name for name, _ in VIEWS].index(key))
        splits = self._found.splits if self._found is not None else {}
        self._split.setVisible(key in ("rows", "statistics") and len(splits) > 1)
        self._go.setVisible(key == "rows" and bool(splits))
        self._count.setVisible(key in ("rows", "issues"))
        if key == "statistics":
            self._statistics.measure()
        self._say_count()
        self.turned_over.emit()

    def _say_count(self) -> None:
        found = self._found
        if found is None:
            self._count.setText("")
        elif self._view.key == "issues":
            shown, total = len(found.issues), found.issue_count
            said = words.count(total, "issue")
            self._count.setText(said if shown == total else f"the first {shown:,} of {said}")
        else:
            rows = found.splits.get(self._split.key)
            self._count.setText(f"of {len(rows):,}" if rows is not None else "No rows to show")

    @Slot(str)
    def _choose_split(self, split: str) -> None:
        rows = self._found.splits.get(split) if self._found is not None else None
        self._rows.show_rows(rows, self._found.columns.get(split, []) if self._found is not None else [])
        self._statistics.show_split(split)
        self._go.blockSignals(True)
        self._go.setRange(1, max(1, len(rows) if rows is not None else 1))
        self._go.setValue(1)
        self._go.blockSignals(False)
        self._say_count()

    @Slot(int)
    def _go_to(self, number: int) -> None:
        self._rows.go_to(number)

    @Slot(int)
    def _show_number(self, number: int) -> None:
        """The row that is chosen in the table, by whatever means."""
        self._go.blockSignals(True)
        self._go.setValue(number)
        self._go.blockSignals(False)

    def _answer_proposal(self, mapping: dict[str, str], action: str) -> None:
        if action == USE_PROPOSAL:
            self._set_mapping(mapping)
        else:
            self.show_view("columns")

    @Slot(object)
    def _set_mapping(self, mapping: dict[str, str]) -> None:
        self.session.draft.set("data.mapping", mapping)
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
        self._busy(False)
        self._notices.add("info", "Looking through the data was cancelled.", "Choose it again to start over.")


def _is_to_be_mapped(found: Inspection) -> bool:
    """Whether nothing could be read, and another reading of the columns would help."""
    return bool(found.fault and found.proposals and found.proposals[0].mapping)
