"""Choose a model by looking for one: on this computer and on the Hub, with what it takes here, fetched on a press."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListView, QWidget

from droid_tune import words
from droid_tune.model_files.hub import is_hub_id
from ui.panes.setup.models.download_bar import DownloadBar
from ui.panes.setup.models.fit_badges import FitBadges
from ui.panes.setup.models.hub_results import HubResults
from ui.session import Session
from ui.widgets.basics import button, column, frame, prose, row
from ui.widgets.lists.simple_list import Entry, EntryList
from ui.widgets.lists.two_lines import TwoLineDelegate
from ui.widgets.restyling import restyle
from ui.work.download_desk import DownloadDesk

WIDTH, HEIGHT = 720, 620
WEIGHING = "weighing…"
HERE = "On this computer"


class HubSheet(QDialog):
    """A sheet over the window. `chosen` tells the config's `model.path`."""

    chosen = Signal(str)

    def __init__(self, session: Session, desk: DownloadDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a Model")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(min(WIDTH, parent.width() - 40), min(HEIGHT, parent.height() - 40))
        self._desk = desk
        self._results = HubResults(session.settings.recent_models, self)
        self._badges = FitBadges(session.draft, self)
        layout = column(self, spacing=0)
        top = QWidget(self)
        box = column(top, spacing=8)
        box.setContentsMargins(20, 16, 20, 8)
        self._search = self._field(top)
        box.addWidget(self._search)
        self._said = prose("", "small", parent=top)
        box.addWidget(self._said)
        self._list = self._make_list(top)
        box.addWidget(self._list, 1)
        self._detail = prose("", "small", parent=top)
        self._detail.setAccessibleName("What the chosen model takes")
        box.addWidget(self._detail)
        box.addWidget(DownloadBar(desk, top))
        layout.addWidget(top, 1)
        layout.addWidget(self._foot())
        self._results.found.connect(self._draw)
        self._badges.told.connect(self._draw)
        desk.changed.connect(self._show_buttons)
        desk.arrived.connect(self._arrived)
        self._results.look_here()
        self._results.ask()

    # --- parts --------------------------------------------------------------------------------------------------

    def _field(self, parent: QWidget) -> QLineEdit:
        field = QLineEdit(parent)
        field.setPlaceholderText("Search the Hugging Face Hub, such as Qwen3 4bit")
        field.setAccessibleName("Search the Hugging Face Hub")
        field.setClearButtonEnabled(True)
        field.textChanged.connect(self._typed)
        return field

    def _make_list(self, parent: QWidget) -> QListView:
        self._entries = EntryList(self)
        made = QListView(parent)
        made.setProperty("role", "list")
        made.setModel(self._entries)
        made.setItemDelegate(TwoLineDelegate(made))
        made.setMouseTracking(True)
        made.setAccessibleName("Models found")
        made.selectionModel().currentChanged.connect(self._show_choice)
        made.doubleClicked.connect(self.use)
        return made

    def _foot(self) -> QWidget:
        foot = frame("footer", self)
        bar = row(foot, spacing=10)
        bar.setContentsMargins(20, 10, 20, 10)
        bar.addStretch(1)
        close = button("Close", parent=foot)
        close.clicked.connect(self.reject)
        self._download = button("Download", parent=foot, help="Into the Hugging Face cache of this computer")
        self._download.clicked.connect(self.download)
        self._use = button("Use", "primary", parent=foot, help="Take it for the next run")
        self._use.clicked.connect(self.use)
        for made in (close, self._download, self._use):
            made.setAutoDefault(False)
            bar.addWidget(made)
        return foot

    # --- what is found ------------------------------------------------------------------------------------------

    @Slot(str)
    def _typed(self, text: str) -> None:
        self._results.ask_soon(text)

    @Slot()
    def _draw(self) -> None:
        kept = self.choice
        here = {model.path for model in self._results.here}
        entries = [
            self._entry(one.path, one.title, f"{HERE} · {one.detail}", "model") for one in self._results.here
        ]
        entries += [
            self._entry(one.id, one.id, one.detail(), "drop")
            for one in self._results.hub
            if one.id not in here
        ]
        self._entries.show(entries)
        self._badges.weigh([one.key for one in entries])
        place = self._entries.place_of(kept)
        if place.isValid():
            self._list.setCurrentIndex(place)
        self._say(len(entries))
        self._show_choice()

    def _entry(self, key: str, title: str, detail: str, icon: str) -> Entry:
        badge = self._badges.of(key)
        return Entry(
            key,
            words.literal(title),
            words.literal(detail),
            icon=icon,
            trailing=badge.text if badge is not None else WEIGHING,
            tone=badge.tone if badge is not None else "",
            tip=badge.words if badge is not None else "",
        )

    def _say(self, count: int) -> None:
        """What goes on, or how many there are."""
        results = self._results
        restyle(self._said, "role", "fault" if results.fault else "small")
        found = words.count(count, "model") if count else "No model was found for these words."
        self._said.setText(
            words.literal(results.fault or ("The Hugging Face Hub is asked…" if results.asking else found))
        )

    # --- the choice ---------------------------------------------------------------------------------------------

    @property
    def choice(self) -> str:
        """The chosen model's path or id; empty where none is."""
        entry = self._entries.entry(self._list.currentIndex())
        return entry.key if entry is not None else ""

    @Slot(QModelIndex, QModelIndex)
    def _show_choice(self, *_: object) -> None:
        badge = self._badges.of(self.choice)
        self._detail.setText(words.literal(f"{badge.text}: {badge.words}") if badge is not None else "")
        self._show_buttons()

    @Slot()
    def _show_buttons(self) -> None:
        here = self.choice in {model.path for model in self._results.here}
        self._use.setEnabled(bool(self.choice))
        self._download.setEnabled(is_hub_id(self.choice) and not here and not self._desk.busy)

    @Slot()
    def download(self) -> None:
        """As if Download were pressed."""
        self._desk.start(self.choice)

    @Slot(str)
    def _arrived(self, name: str) -> None:
        self._results.look_here()

    @Slot()
    def use(self, *_: object) -> None:
        """As if Use were pressed."""
        if self.choice:
            self.chosen.emit(self.choice)
            self.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return uses the choice, wherever the keyboard is; the arrows walk through the list."""
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.use()
        elif key in (Qt.Key.Key_Down, Qt.Key.Key_Up) and not self._list.hasFocus():
            step = 1 if key == Qt.Key.Key_Down else -1
            row_now = self._list.currentIndex().row()
            place = self._entries.index(max(0, row_now + step))
            if place.isValid():
                self._list.setCurrentIndex(place)
        else:
            super().keyPressEvent(event)

    def done(self, result: int) -> None:
        self._results.stop()
        self._badges.stop()
        super().done(result)
