"""Choose the model: from what is at hand, a folder, or a Hugging Face id."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QFrame, QLineEdit, QListView, QWidget

from droid_tune import words
from droid_tune.model_files.found import FoundModel, describe, find_models
from ui.background import Task
from ui.panes.setup.models.download_bar import DownloadBar
from ui.session import Session
from ui.widgets.basics import button, column, prose, row
from ui.widgets.lists.simple_list import Entry, EntryList
from ui.widgets.lists.two_lines import TwoLineDelegate
from ui.work.download_desk import DownloadDesk

ICONS = {"starter": "model", "cache": "model", "folder": "folder", "hub": "drop"}
MOST_ROWS = 4


class ModelPicker(QFrame):
    """`chosen` tells the config's `model.path`."""

    chosen = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._session = session
        self.desk = DownloadDesk(self)
        self.desk.arrived.connect(self._arrived)
        self._path = "starter"
        self._found: list[FoundModel] = []
        self._looking: Task | None = None  # the newest
        layout = column(self, spacing=6)
        layout.setContentsMargins(6, 6, 6, 10)
        self._models = EntryList(self)
        self._list = QListView(self)
        self._list.setProperty("role", "plain")
        self._list.setModel(self._models)
        self._list.setItemDelegate(TwoLineDelegate(self._list))
        self._list.setMouseTracking(True)
        self._list.setAccessibleName("Models at hand")
        self._list.selectionModel().currentChanged.connect(self._picked)
        layout.addWidget(self._list)
        bar = row(spacing=8)
        bar.setContentsMargins(8, 0, 8, 0)
        self._typed = QLineEdit(self)
        self._typed.setPlaceholderText("Hugging Face id, such as mlx-community/Qwen3-0.6B-4bit, or a folder")
        self._typed.setAccessibleName("Model by Hugging Face id or folder")
        self._typed.returnPressed.connect(self._use_typed)
        self._typed.editingFinished.connect(self._use_typed)
        browse = button("Choose Folder…", parent=self, icon="folder")
        browse.clicked.connect(self._browse)
        search = button("Search…", parent=self, icon="model", help="Models on this computer and on the Hub")
        search.clicked.connect(self.search)
        bar.addWidget(self._typed, 1)
        bar.addWidget(search)
        bar.addWidget(browse)
        layout.addLayout(bar)
        fetching = row()
        fetching.setContentsMargins(8, 0, 8, 0)
        fetching.addWidget(DownloadBar(self.desk, self))
        layout.addLayout(fetching)
        self._fault = prose("", "fault", parent=self)
        self._fault.setContentsMargins(8, 0, 8, 0)
        self._fault.hide()
        layout.addWidget(self._fault)

    def show_model(self, path: str, recent: list[str]) -> None:
        """Show the choice and look for models in the background."""
        self._path = path
        self._fault.hide()
        if self._looking is not None:
            self._looking.drop()
        self._looking = Task(
            partial(find_models, [path, *recent]), self, done=self._show_found, failed=self._say_unfound
        ).start()

    def _say_unfound(self, sentence: str) -> None:
        """The choice is shown all the same; the others are looked for again when the pane is drawn anew."""
        if self._path not in [model.path for model in self._found]:
            self._found = [*self._found, FoundModel(self._path, Path(self._path).name, "", "folder")]
        self._draw()
        self._fault.setText(f"The models on this computer could not be listed: {words.literal(sentence)}")
        self._fault.show()

    def _show_found(self, found: list[FoundModel]) -> None:
        self._found = found
        if self._path not in [model.path for model in found]:
            self._found = [*found, describe(self._path)]
        self._draw()

    def _draw(self) -> None:
        self._list.selectionModel().blockSignals(True)
        self._models.show(
            [Entry(m.path, m.title, m.detail, icon=ICONS[m.kind], tip=m.path) for m in self._found]
        )
        self._list.setCurrentIndex(self._models.place_of(self._path))
        self._list.selectionModel().blockSignals(False)
        self._list.setFixedHeight(50 * min(MOST_ROWS, max(1, len(self._found))) + 4)
        self._list.scrollTo(self._models.place_of(self._path))
        self._list.viewport().update()

    @Slot(str)
    def _use(self, path: str) -> None:
        model = describe(path)
        fault = model.fault
        self._fault.setText(fault)
        self._fault.setVisible(bool(fault))
        if fault or path == self._path:
            return
        if path not in [known.path for known in self._found]:
            self._found.insert(1, model)
        self._path = path
        self._draw()
        self.chosen.emit(path)

    @Slot(QModelIndex, QModelIndex)
    def _picked(self, current: QModelIndex, previous: QModelIndex) -> None:
        entry = self._models.entry(current)
        if entry is not None and entry.key != self._path:
            self._fault.hide()
            self._path = entry.key
            self.chosen.emit(entry.key)

    @Slot()
    def search(self) -> None:
        """Look for a model, on this computer and on the Hub."""
        from ui.panes.setup.models.hub_sheet import HubSheet

        sheet = HubSheet(self._session, self.desk, self.window())
        sheet.chosen.connect(self._use)
        sheet.open()

    @Slot(str)
    def _arrived(self, name: str) -> None:
        """A model is here now: it stands in the list, and what is known of the chosen one is known better."""
        self.show_model(self._path, self._session.settings.recent_models)
        if name == self._path:
            self.chosen.emit(name)

    def shut(self) -> None:
        """The window closes."""
        self.desk.shut()

    @Slot()
    def _use_typed(self) -> None:
        text = self._typed.text().strip()
        if text:
            self._use(text)
            if not self._fault.isVisible():
                self._typed.clear()

    @Slot()
    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model folder", str(Path.home()))
        if folder:
            self._use(folder)
