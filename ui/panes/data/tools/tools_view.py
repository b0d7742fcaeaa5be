"""Changes to the data: chosen, previewed, then written to a new folder. The files themselves stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from droid_tune import words
from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset
from ui.engine_worker import EngineDoor
from ui.panes.data.data_job import DataJob
from ui.panes.data.files_card import SPLIT_WORDS
from ui.panes.data.rows.look import Look
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.panes.data.tools.change_form import CHANGES, Ask, Change, Preview, plan_change, write_change
from ui.widgets.basics import button, clear, column, frame, label, prose, row
from ui.widgets.calm_bar import CalmBar
from ui.widgets.notice import NoticeStack
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.texts.plain_view import Piece, PlainView

#: a preview that takes no time is made at once
FEW_ROWS = 20_000
USE_IT = "Use This Data"


class ToolsView(QWidget):
    """`data_wanted` tells a folder that was written and is to be used."""

    data_wanted = Signal(str)

    def __init__(self, engine: EngineDoor, desk: TokenizerDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._engine, self._desk = engine, desk
        self._dataset: Dataset | None = None
        self._look: Look | None = None
        self._home = Path.home()
        self._fields: dict[str, QWidget] = {}
        self._shown: tuple[Preview, dict[str, Any]] | None = None
        self._job: DataJob | None = None
        self._written = ""
        sides = row(self, spacing=12)
        sides.addWidget(self._list())
        right = column(spacing=8)
        right.addWidget(self._form())
        self._notices = NoticeStack(self, most=1)
        right.addWidget(self._notices)
        right.addLayout(self._progress())
        self._preview = PlainView("Preview", self)
        self._preview.setPlaceholderText("A preview shows here before anything is written")
        right.addWidget(self._preview, 1)
        right.addLayout(self._foot())
        sides.addLayout(right, 1)
        self._tools.setCurrentRow(0)

    # --- what there is to change ---------------------------------------------------------------------------------

    def show_data(self, dataset: Dataset | None, look: Look, home: Path) -> None:
        """The data, and the folder beside which new ones are put."""
        changed = dataset is not self._dataset
        self._dataset, self._look, self._home = dataset, look, home
        if changed:
            self._choose(self._tools.currentRow())

    @property
    def change(self) -> Change:
        """The tool that is chosen."""
        return CHANGES[max(0, self._tools.currentRow())]

    def choose(self, key: str) -> None:
        """As if the user had chosen the tool."""
        self._tools.setCurrentRow([one.key for one in CHANGES].index(key))

    def values(self) -> dict[str, Any]:
        """What the form says, by the names of the tool's questions."""
        return {name: _value(editor) for name, editor in self._fields.items()}

    def shut(self) -> None:
        """The window closes: work no more."""
        if self._job is not None:
            self._job.cancel()

    # --- parts --------------------------------------------------------------------------------------------------

    def _list(self) -> QListWidget:
        self._tools = QListWidget(self)
        self._tools.setProperty("role", "list")
        self._tools.setAccessibleName("Tools")
        self._tools.setFixedWidth(178)
        for change in CHANGES:
            item = QListWidgetItem(change.title, self._tools)
            item.setToolTip(change.words)
        self._tools.currentRowChanged.connect(self._choose)
        return self._tools

    def _form(self) -> QFrame:
        card = frame("card", self)
        card.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout = column(card, spacing=8)
        layout.setContentsMargins(14, 10, 14, 10)
        self._words = prose("", "secondary", parent=card)
        layout.addWidget(self._words)
        bar = row(spacing=12)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(3)
        bar.addLayout(self._grid)
        bar.addStretch(1)
        self._show = button("Preview", parent=card)
        self._show.clicked.connect(self.preview)
        bar.addWidget(self._show, 0, Qt.AlignmentFlag.AlignBottom)
        layout.addLayout(bar)
        return card

    def _progress(self) -> QHBoxLayout:
        bar = row(spacing=10)
        self._bar = CalmBar(self)
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Working on the rows")
        self._cancel = button("Cancel", "quiet", parent=self)
        self._cancel.clicked.connect(self._stop)
        bar.addWidget(self._bar, 1)
        bar.addWidget(self._cancel)
        self._busy(False)
        return bar

    def _foot(self) -> QHBoxLayout:
        bar = row(spacing=8)
        bar.addWidget(label("New folder", parent=self))
        self._folder = QLineEdit(self)
        self._folder.setAccessibleName("New folder to write to")
        choose = button("Choose…", parent=self)
        choose.clicked.connect(self._choose_folder)
        self._write = button("Write", "primary", parent=self)
        self._write.clicked.connect(self.write)
        bar.addWidget(self._folder, 1)
        bar.addWidget(choose)
        bar.addWidget(self._write)
        return bar

    # --- choosing -----------------------------------------------------------------------------------------------

    @Slot(int)
    def _choose(self, place: int) -> None:
        self._stop()
        self._shown = None
        clear(self._grid)
        self._words.setText(self.change.words)
        rows = len(self._dataset) if self._dataset is not None else 0
        self._fields = {}
        for at, ask in enumerate(self.change.asks):
            editor = self._editor(ask, rows)
            self._fields[ask.name] = editor
            if not isinstance(editor, QCheckBox):
                self._grid.addWidget(label(ask.title, "small", parent=self), 0, at)
            self._grid.addWidget(editor, 1, at)
        self._preview.show_pieces([])
        self._write.setEnabled(False)
        self._show.setEnabled(rows > 0)
        self._folder.setText(str(free_folder(self._home, self.change.key)))
        if 0 < rows <= FEW_ROWS and not self.change.needs_tokenizer:
            self.preview()

    def _editor(self, ask: Ask, rows: int) -> QWidget:
        if ask.choices:
            combo = QuietCombo(self)
            for key, words in ask.choices:
                combo.addItem(words, key)
            combo.setCurrentIndex(combo.findData(ask.default))
            combo.currentIndexChanged.connect(self._edited)
            combo.setAccessibleName(ask.title)
            return combo
        if isinstance(ask.default, bool):
            box = QCheckBox(ask.title, self)
            box.setChecked(ask.default)
            box.toggled.connect(self._edited)
            return box
        number = QSpinBox(self)
        number.setRange(0, 1_000_000_000)
        number.setGroupSeparatorShown(True)
        number.setMinimumWidth(110)
        shares = {"tenth": min(1000, max(1, rows // 10)), "half": max(1, rows // 2)}
        number.setValue(shares.get(ask.whole_of, int(ask.default)))
        number.valueChanged.connect(self._edited)
        number.setAccessibleName(ask.title)
        return number

    @Slot()
    def _edited(self) -> None:
        """A preview of other values no longer tells what would be written."""
        self._shown = None
        self._write.setEnabled(False)
        if self._dataset is not None and len(self._dataset) <= FEW_ROWS and not self.change.needs_tokenizer:
            self.preview()

    @Slot()
    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose an empty folder", str(self._home))
        if folder:
            self._folder.setText(folder)

    # --- working ------------------------------------------------------------------------------------------------

    @Slot()
    def preview(self) -> None:
        """Plan the change in the background and show what it would do; nothing is written."""
        dataset, look, change = self._dataset, self._look, self.change
        if dataset is None or look is None:
            return
        self._stop()
        self._notices.clear()
        values = self.values()

        def plan(tokenizer: Any, watch: Watch) -> Preview:
            options = look.with_tools(self._engine, tokenizer, watch) if tokenizer else look.options
            return plan_change(change, dataset, values, options, tokenizer, watch.tell)

        done = partial(self._show_preview, values)
        if change.needs_tokenizer:
            self._follow(self._desk.job(look.model, plan, done=done, failed=self._fail))
        else:
            self._follow(DataJob(partial(plan, None), self, done=done, failed=self._fail))

    def _show_preview(self, values: dict[str, Any], shown: Preview) -> None:
        self._end()
        self._shown = (shown, values)
        self._preview.show_pieces(pieces_of(shown))
        self._write.setEnabled(True)

    @Slot()
    def write(self) -> None:
        """Write what the preview shows into the new folder, in the background."""
        dataset = self._dataset
        if dataset is None or self._shown is None:
            return
        shown, values = self._shown
        change, out = self.change, self._folder.text()

        def write(watch: Watch) -> str:
            return write_change(change, dataset, shown, values, out, watch)

        self._write.setEnabled(False)
        self._follow(DataJob(write, self, done=partial(self._say_written, out), failed=self._fail))

    def _say_written(self, out: str, said: str) -> None:
        self._end()
        self._written = out
        self._folder.setText(str(free_folder(self._home, self.change.key)))
        self._notices.clear()
        self._notices.add("good", words.literal(said), actions=(USE_IT,)).chosen.connect(self._use)

    def _follow(self, job: DataJob) -> None:
        self._job = job
        self._busy(True)
        job.progressed.connect(self._bar.setValue)
        job.start()

    def _fail(self, sentence: str) -> None:
        self._end()
        self._notices.clear()
        self._notices.add("error", words.literal(sentence))
        self._write.setEnabled(self._shown is not None)

    def _end(self) -> None:
        self._job = None
        self._busy(False)

    @Slot()
    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._end()
            self._write.setEnabled(self._shown is not None)

    @Slot(str)
    def _use(self, action: str) -> None:
        self.data_wanted.emit(self._written)

    def _busy(self, busy: bool) -> None:
        self._bar.setVisible(busy)
        self._cancel.setVisible(busy)
        if busy:
            self._bar.setValue(0)


def _value(editor: QWidget) -> Any:
    if isinstance(editor, QuietCombo):
        return editor.currentData()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    assert isinstance(editor, QSpinBox), "fields are combos, boxes and numbers"
    return editor.value()


def pieces_of(shown: Preview) -> list[Piece]:
    """What would happen, the counts of each split, and the first rows."""
    pieces = [Piece(shown.said + "\n\n", bold=True)]
    for split, (before, after) in shown.counts.items():
        pieces.append(Piece(f"{SPLIT_WORDS[split]:<9}", "secondary"))
        pieces.append(Piece(f"{before:>12,}  →  {words.count(after, 'row')}\n"))
    pieces.append(Piece("\n"))
    for heading, text in shown.rows:
        pieces += [Piece(heading + "\n", "accent", bold=True), Piece(words.literal(text) + "\n\n")]
    return pieces


def free_folder(home: Path, key: str) -> Path:
    """`home-key`, with a number where that is taken."""
    words: Mapping[str, str] = {
        "split": "with-held-out",
        "rejected": "accepted",
        "dedupe": "without-duplicates",
    }
    base = home.with_name(f"{home.name}-{words.get(key, key)}")
    numbered = (base.with_name(f"{base.name}-{number}") for number in range(2, 1000))
    return next((path for path in chain((base,), numbered) if not path.exists()), base)
