"""Where data comes from: a place to drop it, files and folders to open, the Hub, the bundled sample."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFileDialog, QFrame, QLabel, QLineEdit, QWidget

from droid_tune import words
from droid_tune.data.reading.hub_dataset import HUB_PREFIX
from droid_tune.paths import BUNDLED_DATA
from ui import icons
from ui.panes.data.data_reader import Source
from ui.theme import current_theme
from ui.widgets.basics import button, column, frame, label, plain_tip, row
from ui.widgets.elided_label import ElidedLabel

KINDS = "Data (*.jsonl *.ndjson *.json *.csv *.tsv *.parquet *.gz)"


class DropBar(QWidget):
    """`chosen` tells a path (or `hub:owner/name`, or `sample`), `several` files that need their splits."""

    chosen = Signal(str)
    several = Signal(list)  # list[Path]

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        layout = column(self, spacing=8)
        layout.addWidget(self._zone())
        layout.addWidget(self._hub_line())
        self._tint()
        current_theme().changed.connect(self._tint)

    def show_source(self, source: Source) -> None:
        """Name the data that is looked at."""
        bundled = source.path == "sample"
        if source.path in BUNDLED_DATA:
            name, place = (
                "Sample data" if bundled else "Shop questions",
                "Drop a folder with train.jsonl (and valid.jsonl), or files, anywhere on the window.",
            )
        elif source.files:
            count = sum(len(files) for files in source.files.values())
            name, place = words.count(count, "file"), f"Dropped together, from {source.path}"
        elif source.path.startswith(HUB_PREFIX):
            name, place = source.path.removeprefix(HUB_PREFIX), "From the Hugging Face Hub"
        else:
            name, place = source.folder.name, source.path
        self._name.setText(words.literal(name))
        self._place.setText(words.literal(place))
        self._place.setToolTip(plain_tip(place))
        self._sample.setVisible(not bundled)

    def _zone(self) -> QFrame:
        zone = frame("dropzone", self)
        bar = row(zone, spacing=10)
        bar.setContentsMargins(16, 10, 12, 10)
        self._sign = QLabel(zone)
        bar.addWidget(self._sign)
        words = column(spacing=1)
        self._name = ElidedLabel("heading", zone)
        self._place = ElidedLabel("small", zone)
        words.addWidget(self._name)
        words.addWidget(self._place)
        bar.addLayout(words, 1)
        choose = button("Folder…", parent=zone, icon="folder", help="Open a folder with training data")
        choose.clicked.connect(self._open_folder)
        files = button("Files…", parent=zone, help="Open one file, or several that belong together")
        files.clicked.connect(self._open_files)
        hub = button("Hub…", parent=zone, help="A data set of the Hugging Face Hub, by its id")
        hub.clicked.connect(self._toggle_hub)
        self._sample = button("Sample", parent=zone, help="The bundled arithmetic in words")
        self._sample.clicked.connect(self._use_sample)
        for pressed in (choose, files, hub, self._sample):
            bar.addWidget(pressed)
        return zone

    def _hub_line(self) -> QFrame:
        self._hub = frame("inset", self)
        bar = row(self._hub, spacing=8)
        bar.setContentsMargins(14, 8, 8, 8)
        bar.addWidget(label("Hugging Face data set", parent=self._hub))
        self._id = QLineEdit(self._hub)
        self._id.setPlaceholderText("owner/name, or owner/name:configuration, or the address of its page")
        self._id.setAccessibleName("Id of a data set on the Hugging Face Hub")
        self._id.returnPressed.connect(self._use_hub)
        bar.addWidget(self._id, 1)
        get = button("Get", "primary", parent=self._hub)
        get.clicked.connect(self._use_hub)
        bar.addWidget(get)
        self._hub.hide()
        return self._hub

    @Slot()
    def _tint(self) -> None:
        self._sign.setPixmap(icons.pixmap("drop", current_theme().tokens.accent, 28))

    @Slot()
    def _toggle_hub(self) -> None:
        self._hub.setVisible(self._hub.isHidden())
        if self._hub.isVisible():
            self._id.setFocus()

    @Slot()
    def _use_hub(self) -> None:
        wanted = self._id.text().strip()
        if wanted:
            self._hub.hide()
            self.chosen.emit(HUB_PREFIX + wanted.removeprefix(HUB_PREFIX))

    @Slot()
    def _use_sample(self) -> None:
        self.chosen.emit("sample")

    @Slot()
    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Choose a folder with training data", str(Path.home())
        )
        if folder:
            self.chosen.emit(folder)

    @Slot()
    def _open_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Choose data files", str(Path.home()), KINDS)
        if len(files) == 1:
            self.chosen.emit(files[0])
        elif files:
            self.several.emit([Path(file) for file in files])
