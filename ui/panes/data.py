"""The data: a place to drop it, what was found in each file, its rows, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QFrame,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from droid_tune.data.report import FileReport
from ui import icons, phrases
from ui.data_reader import DataReader, Inspection, Lengths, data_folder
from ui.models.rows import IssuesModel, RowsModel, whole_text
from ui.panes.pane import Pane
from ui.session import Session
from ui.theme import current_theme, mono_font
from ui.widgets.basics import button, clear, column, frame, label, row
from ui.widgets.notice import NoticeStack
from ui.widgets.segmented import Segmented
from ui.widgets.share_bar import ShareBar
from ui.widgets.state_chip import Chip

VIEWS = (("rows", "Rows"), ("issues", "Issues"))


class DataPane(Pane):
    """Looks through `session.draft.data` whenever it changes, and when the method does."""

    setup_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._inspected: tuple[str, str] = ("", "")
        self._found: Inspection | None = None
        self._reader = DataReader(self)
        self._reader.started.connect(self._begin)
        self._reader.progressed.connect(self._progress)
        self._reader.inspected.connect(self._show)
        self._reader.measured.connect(self._show_lengths)
        layout = column(self, spacing=12)
        layout.setContentsMargins(20, 18, 20, 18)
        layout.addWidget(self._drop_zone())
        layout.addLayout(self._progress_row())
        self._notices = NoticeStack(self, most=3)
        layout.addWidget(self._notices)
        self._files = frame("card", self)
        self._files_box = column(self._files, spacing=12)
        self._files_box.setContentsMargins(14, 12, 14, 12)
        layout.addWidget(self._files)
        layout.addLayout(self._bar())
        layout.addWidget(self._tables(), 1)
        session.data_changed.connect(self._data_changed)

    def refresh(self) -> None:
        draft = self.session.draft
        wanted = (draft.data, draft.method)
        if wanted != self._inspected:
            self._inspected = wanted
            self._reader.inspect(draft.data, draft.method, draft.value("data.mapping"))

    def shut(self) -> None:
        """The window closes: no look may go on."""
        self._reader.cancel()

    # --- parts --------------------------------------------------------------------------------------------------

    def _drop_zone(self) -> QFrame:
        zone = frame("dropzone", self)
        bar = row(zone, spacing=12)
        bar.setContentsMargins(16, 12, 12, 12)
        self._sign = QLabel(zone)
        bar.addWidget(self._sign)
        words = column(spacing=1)
        self._name = label("", "heading", parent=zone)
        self._place = label("", "small", parent=zone, wrap=True)
        words.addWidget(self._name)
        words.addWidget(self._place)
        bar.addLayout(words, 1)
        choose = button("Open Folder…", parent=zone, icon="folder")
        choose.clicked.connect(self._open_folder)
        single = button("Open File…", parent=zone)
        single.clicked.connect(self._open_file)
        self._sample = button("Use Sample", parent=zone, help="The bundled arithmetic in words")
        self._sample.clicked.connect(self._use_sample)
        for pressed in (choose, single, self._sample):
            bar.addWidget(pressed)
        self._tint()
        current_theme().changed.connect(self._tint)
        return zone

    def _progress_row(self) -> QVBoxLayout:
        box = column(spacing=4)
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
        box.addLayout(bar)
        self._busy(False)
        return box

    def _bar(self) -> QVBoxLayout:
        box = column(spacing=6)
        bar = row(spacing=10)
        self._view = Segmented(VIEWS, self, "Show")
        self._view.chosen.connect(self._switch)
        self._split = Segmented((("train", "Train"), ("valid", "Held-out"), ("test", "Test")), self, "Split")
        self._split.chosen.connect(self._choose_split)
        self._count = label("", "small", parent=self)
        self._lengths = label("", "small", parent=self)
        bar.addWidget(self._view)
        bar.addWidget(self._split)
        bar.addWidget(self._count)
        bar.addStretch(1)
        bar.addWidget(self._lengths)
        box.addLayout(bar)
        return box

    def _tables(self) -> QSplitter:
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(10)
        self._rows = RowsModel(self)
        self._rows_table = _table(self._rows, "Rows", split)
        self._rows_table.selectionModel().currentRowChanged.connect(self._show_row)
        self._issues = IssuesModel(self)
        self._issues_table = _table(self._issues, "Issues", split)
        for place, width in enumerate((130, 64, 64, 90, 330)):
            self._issues_table.setColumnWidth(place, width)
        self._issues_table.verticalHeader().hide()
        self._issues_table.hide()
        self._detail = QPlainTextEdit(split)
        self._detail.setReadOnly(True)
        self._detail.setFont(mono_font())
        self._detail.setAccessibleName("The chosen row, whole")
        self._detail.setPlaceholderText("Choose a row to read it whole")
        for part in (self._rows_table, self._issues_table, self._detail):
            split.addWidget(part)
        split.setSizes([320, 320, 130])
        return split

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _tint(self) -> None:
        self._sign.setPixmap(icons.pixmap("drop", current_theme().tokens.accent, 30))

    def _busy(self, busy: bool) -> None:
        for part in (self._bar_widget, self._cancel, self._what):
            part.setVisible(busy)

    @Slot()
    def _begin(self) -> None:
        path = self.session.draft.data
        self._name.setText("Sample data" if path == "sample" else phrases.literal(data_folder(path).name))
        words = "Drop a folder with train.jsonl (and valid.jsonl) or a single file anywhere on the window."
        self._place.setText(words if path == "sample" else phrases.literal(path))
        self._sample.setVisible(path != "sample")
        self._notices.clear()
        self._lengths.setText("")
        self._bar_widget.setValue(0)
        self._busy(True)

    @Slot(int, str)
    def _progress(self, thousandths: int, file: str) -> None:
        self._what.setText(f"Looking through {file}")
        self._bar_widget.setValue(thousandths)

    @Slot(object)
    def _show(self, found: Inspection) -> None:
        self._found = found
        self._busy(False)
        self._show_files(found)
        for said in dict.fromkeys([found.fault, *_file_faults(found)]):
            if said:
                self._notices.add("error", said)
        if not found.fault and found.report is not None and found.report.rejected:
            left_out = phrases.count(found.report.rejected, "row")
            self._notices.add(
                "warning",
                f"{left_out} cannot be used and will be left out of training.",
                "The Issues list says where they stand and what is wrong with each.",
            )
        self._issues.show(found.issues)
        self._view.retitle("issues", f"Issues ({found.issue_count:,})" if found.issue_count else "Issues")
        if found.issue_count and not found.splits:
            self._view.choose("issues")
        elif not found.issue_count:
            self._view.choose("rows")
        names = list(found.splits)
        if names and self._split.key not in names:
            self._split.choose(names[0])
        self._switch(self._view.key)
        if found.dataset is not None:
            self._reader.measure(found.dataset, self.session.draft.model)

    def _show_files(self, found: Inspection) -> None:
        clear(self._files_box)
        files = found.report.files if found.report is not None else []
        self._files.setVisible(bool(files))
        for file in files:
            self._files_box.addWidget(self._file_row(file))

    def _file_row(self, file: FileReport) -> QWidget:
        made = QWidget(self._files)
        layout = column(made, spacing=5)
        top = row(spacing=8)
        top.addWidget(label(phrases.literal(Path(file.path).name), "strong", parent=made))
        split = {"train": "Train", "valid": "Held-out", "test": "Test"}[file.split]
        top.addWidget(Chip(made, split, "accent", "accent_soft"))
        if file.format:
            top.addWidget(label(file.format, "small", parent=made))
        top.addStretch(1)
        counts = [f"{file.accepted:,} accepted", f"{file.rejected:,} rejected", f"{file.blank:,} blank"]
        top.addWidget(label(" · ".join(counts), "small", parent=made))
        layout.addLayout(top)
        layout.addWidget(ShareBar(file.accepted, file.rejected, file.blank, made))
        return made

    @Slot(object)
    def _show_lengths(self, lengths: dict[str, Lengths]) -> None:
        told = [f"{name} {one.median:,} (longest {one.longest:,})" for name, one in lengths.items()]
        self._lengths.setText(f"Tokens: {', '.join(told[:3])}" if told else "")
        self._lengths.setToolTip("Median and longest of a sample, with the chosen model's tokenizer")

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot(str)
    def _switch(self, key: str) -> None:
        if self._found is None:
            return
        self._rows_table.setVisible(key == "rows")
        self._detail.setVisible(key == "rows")
        self._split.setVisible(key == "rows" and len(self._found.splits) > 1)
        self._issues_table.setVisible(key == "issues")
        if key == "rows":
            self._choose_split(self._split.key)
            return
        shown, total = len(self._found.issues), self._found.issue_count
        self._count.setText(
            phrases.count(total, "issue") if shown == total else f"the first {shown:,} of {total:,} issues"
        )

    @Slot(str)
    def _choose_split(self, split: str) -> None:
        rows = self._found.splits.get(split) if self._found is not None else None
        self._rows.show(rows)
        for place in range(self._rows.columnCount()):
            self._rows_table.setColumnWidth(place, 420 if place == 0 else 220)
        self._count.setText(phrases.count(len(rows), "row") if rows is not None else "No rows to show")
        self._detail.clear()
        if rows is not None:
            self._rows_table.selectRow(0)

    @Slot(QModelIndex, QModelIndex)
    def _show_row(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not current.isValid():
            return
        parts = [
            f"{name}\n{phrases.literal(whole_text(value))}"
            for name, value in self._rows.row(current.row()).items()
        ]
        self._detail.setPlainText(f"{self._rows.place_of(current.row())}\n\n" + "\n\n".join(parts))

    @Slot(str)
    def _data_changed(self, path: str) -> None:
        self._inspected = ("", "")
        if self.isVisible():
            self.refresh()

    @Slot()
    def _stop(self) -> None:
        self._reader.cancel()
        self._busy(False)
        self._notices.add("info", "Looking through the data was cancelled.", "Choose it again to start over.")

    @Slot()
    def _use_sample(self) -> None:
        self.session.set_data("sample")

    @Slot()
    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Choose a folder with training data", str(Path.home())
        )
        if folder:
            self.session.set_data(folder)

    @Slot()
    def _open_file(self) -> None:
        kinds = "Data (*.jsonl *.json *.csv *.tsv *.parquet *.gz *.ndjson)"
        file, _ = QFileDialog.getOpenFileName(self, "Choose a data file", str(Path.home()), kinds)
        if file:
            self.session.set_data(file)


def _table(model: RowsModel | IssuesModel, name: str, parent: QWidget) -> QTableView:
    table = QTableView(parent)
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setWordWrap(False)
    table.setShowGrid(False)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.verticalHeader().setDefaultSectionSize(28)
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table


def _file_faults(found: Inspection) -> list[str]:
    return (
        [file.error.message for file in found.report.errors if file.error] if found.report is not None else []
    )
