"""The application's own settings: look, behaviour, and where things are kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from droid_tune import __version__
from droid_tune.machine.keychain import has_keychain
from droid_tune.paths import data_dir, hub_cache_dir, log_dir, runs_dir
from ui.panes.base import Pane
from ui.panes.settings.token_field import TokenField
from ui.session import Session
from ui.settings import save_settings
from ui.theme import Appearance, current_theme
from ui.widgets.basics import Page, button, column, frame, label, line, row, scrolling, selectable
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.segmented import Segmented
from ui.widgets.switch import Switch

#: percent of the battery's charge below which a run may hold
CHARGES = (0, 10, 20, 30, 50)
TOKEN_WORDS = (
    "For gated models. It is kept in your keychain, never in a file."
    if has_keychain()
    else "For gated models. This computer has no keychain of macOS: set HF_TOKEN before you start Droid Tune."
)
LOOKS = (("system", "System"), ("light", "Light"), ("dark", "Dark"))


class SettingsPane(Pane):
    """Changes act at once and are kept when the window closes."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        outer = column(self)
        page = Page(self)
        outer.addWidget(scrolling(page, self))
        sides = row(page)
        sides.setContentsMargins(20, 18, 20, 24)
        middle = QWidget(page)
        middle.setMaximumWidth(720)
        sides.addWidget(middle)
        layout = column(middle, spacing=10)
        self._look(middle, layout)
        self._behaviour(middle, layout)
        self._power(middle, layout)
        self._hub(middle, layout)
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
        box.addWidget(line(card))
        contrast = self._switch(card, "Higher contrast", "high_contrast")
        contrast.clicked.connect(self._choose_contrast)
        said = "Stronger text, lines and borders; where the system asks for more contrast, they always are."
        box.addLayout(_line(card, "Higher contrast", said, contrast))
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
        words = "If the GPU or a lack of memory ends the training, this window stays open. Holds from the next run on."
        box.addLayout(_line(card, "Train in a process of its own", words, apart))
        box.addWidget(line(card))
        told = self._switch(card, "Tell when a run has ended", "notifications")
        said = "A notification while another application is in front."
        box.addLayout(_line(card, "Tell when a run has ended", said, told))
        layout.addWidget(card)

    def _power(self, parent: QWidget, layout: QVBoxLayout) -> None:
        layout.addSpacing(8)
        layout.addWidget(label("Battery and heat", "heading", parent=parent))
        card, box = _card(parent)
        least = QuietCombo(card)
        least.setAccessibleName("Pause on battery below")
        for percent in CHARGES:
            least.addItem("Never" if not percent else f"Below {percent}%", percent)
        least.setCurrentIndex(max(0, least.findData(self.session.settings.pause_below)))
        least.activated.connect(self._choose_charge)
        self._least_charge = least
        box.addLayout(
            _line(card, "Pause on battery", "It goes on by itself once the computer is plugged in.", least)
        )
        for title, name, said in (
            ("Pause in low-power mode", "pause_in_low_power", "What the system saves, a run would spend."),
            ("Pause when it is hot", "pause_when_hot", "While heat slows the processor down."),
        ):
            box.addWidget(line(card))
            box.addLayout(_line(card, title, said, self._switch(card, title, name)))
        layout.addWidget(card)

    def _hub(self, parent: QWidget, layout: QVBoxLayout) -> None:
        layout.addSpacing(8)
        layout.addWidget(label("Hugging Face", "heading", parent=parent))
        card, box = _card(parent)
        box.addLayout(_line(card, "Access token", TOKEN_WORDS, TokenField(card)))
        layout.addWidget(card)

    def _switch(self, parent: QWidget, title: str, name: str) -> Switch:
        """A switch of one of the settings, which acts at once."""
        made = Switch(title, parent)
        made.setChecked(bool(getattr(self.session.settings, name)))
        made.clicked.connect(partial(setattr, self.session.settings, name))
        return made

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
            beside = [] if place else self._runs_choice(card)
            box.addLayout(_line(card, name, str(folder), *beside, show))
            if not place:
                self._runs_button = show
                box.addWidget(self._runs_said)
        layout.addWidget(card)
        layout.addSpacing(8)

    def _runs_choice(self, card: QWidget) -> list[QPushButton]:
        """The buttons that choose where runs are kept; what became of it is said below them."""
        choose = button("Choose…", parent=card)
        choose.clicked.connect(self._choose_runs)
        self._runs_default = button("Default", "quiet", parent=card)
        self._runs_default.clicked.connect(partial(self.keep_runs_in, ""))
        self._runs_default.setVisible(bool(self.session.settings.runs_folder))
        self._runs_said = label("", "small", parent=card, wrap=True)
        self._runs_said.setContentsMargins(14, 0, 12, 9)
        self._runs_said.hide()
        return [self._runs_default, choose]

    @Slot()
    def _choose_runs(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where runs are kept", str(runs_dir().parent))
        if folder:
            self.keep_runs_in(folder)

    def keep_runs_in(self, folder: str) -> None:
        """New runs go there, and the list shows those that are there; the others stay where they are."""
        if self.session.training:
            self._say_of_runs("A run is training; choose when it has ended.")
            return
        self.session.settings.runs_folder = folder
        save_settings(self.session.settings)
        self._folders[self._runs_button] = runs_dir()
        self._runs_default.setVisible(bool(folder))
        self._say_of_runs(f"Now {runs_dir()}; earlier runs stay where they are.")
        self.session.refresh_runs()

    def _say_of_runs(self, sentence: str) -> None:
        self._runs_said.setText(sentence)
        self._runs_said.show()

    @Slot(str)
    def _choose_look(self, key: str) -> None:
        self.session.settings.appearance = cast(Appearance, key)
        current_theme().apply(cast(Appearance, key))

    @Slot(bool)
    def _choose_contrast(self, on: bool) -> None:
        current_theme().strengthen(on)

    @Slot(int)
    def _choose_charge(self, place: int) -> None:
        self.session.settings.pause_below = int(self._least_charge.itemData(place))

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


def _line(parent: QWidget, title: str, words: str, *controls: QWidget) -> QHBoxLayout:
    made = row(spacing=12)
    made.setContentsMargins(14, 9, 12, 9)
    texts = column(spacing=1)
    texts.addWidget(label(title, parent=parent))
    texts.addWidget(selectable(label(words, "small", parent=parent, wrap=True)))
    made.addLayout(texts, 1)
    for control in controls:
        made.addWidget(control)
    return made
