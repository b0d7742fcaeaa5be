"""The application's own settings: look, behaviour, and where things are kept."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from droid_tune import __version__
from droid_tune.paths import data_dir, hub_cache_dir, log_dir, runs_dir
from ui.panes.base import Pane
from ui.session import Session
from ui.theme import Appearance, current_theme
from ui.widgets.basics import button, column, frame, label, line, row, scrolling, selectable
from ui.widgets.segmented import Segmented
from ui.widgets.switch import Switch

LOOKS = (("system", "System"), ("light", "Light"), ("dark", "Dark"))


class SettingsPane(Pane):
    """Changes act at once and are kept when the window closes."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        outer = column(self)
        page = QWidget(self)
        outer.addWidget(scrolling(page, self))
        sides = row(page)
        sides.setContentsMargins(20, 18, 20, 24)
        middle = QWidget(page)
        middle.setMaximumWidth(720)
        sides.addWidget(middle)
        layout = column(middle, spacing=10)
        self._look(middle, layout)
        self._behaviour(middle, layout)
        self._places(middle, layout)
        layout.addWidget(label("About", "heading", parent=middle))
        about = f"Droid Tune {__version__}. Everything runs on this computer: no data and no completion leaves it."
        layout.addWidget(label(about, "small", parent=middle, wrap=True))
        layout.addStretch(1)

    def _look(self, parent: QWidget, layout: QVBoxLayout) -> None:
        layout.addWidget(label("Appearance", "heading", parent=parent))
        card, box = _card(parent)
        appearance = Segmented(LOOKS, card, "Appearance")
        appearance.choose(self.session.settings.appearance)
        appearance.chosen.connect(self._choose_look)
        box.addLayout(_line(card, "Theme", "Light, dark, or as the system has it.", appearance))
        layout.addWidget(card)

    def _behaviour(self, parent: QWidget, layout: QVBoxLayout) -> None:
        layout.addSpacing(8)
        layout.addWidget(label("While training", "heading", parent=parent))
        card, box = _card(parent)
        awake = Switch("Keep the computer awake", card)
        awake.setChecked(self.session.settings.keep_awake)
        awake.clicked.connect(self._keep_awake)
        words = "The display may still sleep; the run goes on."
        box.addLayout(_line(card, "Keep the computer awake", words, awake))
        box.addWidget(line(card))
        apart = Switch("Train in a process of its own", card)
        apart.setChecked(self.session.settings.separate_process)
        apart.clicked.connect(self._train_apart)
        words = "What ends the engine, a fault of the GPU or too little memory, leaves this window open. From the next run on."
        box.addLayout(_line(card, "Train in a process of its own", words, apart))
        layout.addWidget(card)

    def _places(self, parent: QWidget, layout: QVBoxLayout) -> None:
        layout.addSpacing(8)
        layout.addWidget(label("Where things are kept", "heading", parent=parent))
        card, box = _card(parent)
        self._folders: dict[QPushButton, Path] = {}
        places = (
            ("Runs", runs_dir()),
            ("Application data", data_dir()),
            ("Logs", log_dir()),
            ("Hugging Face models", hub_cache_dir()),
        )
        for place, (name, folder) in enumerate(places):
            if place:
                box.addWidget(line(card))
            show = button("Show", parent=card)
            show.clicked.connect(self._show_folder)
            self._folders[show] = folder
            box.addLayout(_line(card, name, str(folder), show))
        layout.addWidget(card)
        layout.addSpacing(8)

    @Slot(str)
    def _choose_look(self, key: str) -> None:
        self.session.settings.appearance = cast(Appearance, key)
        current_theme().apply(cast(Appearance, key))

    @Slot(bool)
    def _keep_awake(self, on: bool) -> None:
        self.session.settings.keep_awake = on

    @Slot(bool)
    def _train_apart(self, on: bool) -> None:
        self.session.settings.separate_process = on

    @Slot()
    def _show_folder(self) -> None:
        pressed = self.sender()
        if isinstance(pressed, QPushButton):
            folder = self._folders[pressed]
            nearest = next(path for path in (folder, *folder.parents) if path.exists())
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(nearest)))


def _card(parent: QWidget) -> tuple[QFrame, QVBoxLayout]:
    card = frame("card", parent)
    box = column(card, spacing=0)
    box.setContentsMargins(0, 4, 0, 4)
    return card, box


def _line(parent: QWidget, title: str, words: str, control: QWidget) -> QHBoxLayout:
    made = row(spacing=12)
    made.setContentsMargins(14, 9, 12, 9)
    texts = column(spacing=1)
    texts.addWidget(label(title, parent=parent))
    texts.addWidget(selectable(label(words, "small", parent=parent, wrap=True)))
    made.addLayout(texts, 1)
    made.addWidget(control)
    return made
