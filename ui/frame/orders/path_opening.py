"""What Open, a drop, the Finder and the Dock mean: training data, a model, the settings of a run, a reward."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from droid_tune import words
from droid_tune.config.files.config_file import is_config
from droid_tune.errors import UserError
from ui.frame.drops import is_model_folder, meant_data
from ui.frame.pane_stack import PaneStack
from ui.panes.base import PaneRequest
from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack


class Opening(QObject):
    """Hands a path to whom it is meant for and shows it there; what cannot be meant is said."""

    def __init__(self, session: Session, panes: PaneStack, banners: NoticeStack, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._panes, self._banners, self._window = session, panes, banners, window
        self._of_import: list[NoticeBar] = []

    @Slot(list)
    def open_paths(self, paths: list[Path]) -> None:
        """One thing or several that were dropped together, or that the Finder asks for."""
        self._window.activateWindow()
        if len(paths) == 1:
            self._open_one(paths[0])
        elif len(paths) > 1 and all(path.is_file() for path in paths):
            self._panes.fulfil(PaneRequest("data", tuple(paths)))
        else:
            self._open_meant(paths)

    def _open_one(self, path: Path) -> None:
        if is_model_folder(path):
            self._open_model(path)
        elif is_config(path):
            self.import_config(path)
        elif path.suffix == ".py":
            self._panes.fulfil(PaneRequest("setup", (path,)))
        else:
            self._open_meant([path])

    def _open_model(self, folder: Path) -> None:
        self._session.draft.set_model(str(folder))
        self._session.draft_changed.emit()
        self._panes.turn_to("setup")

    def _open_meant(self, paths: list[Path]) -> None:
        meant = meant_data(paths)
        if meant is not None:
            self.open_data(meant)
            return
        said = f"{words.count(len(paths), 'thing')} were dropped that do not belong together."
        self._banners.add("warning", said, "Drop one folder, one file, or several files of one folder.")

    def open_data(self, path: Path) -> None:
        """Take a folder or file as the data, and show what is in it."""
        self._session.set_data(str(path))
        self._panes.turn_to("data")

    def import_config(self, file: Path) -> None:
        """Take the settings of a config for the next run, and show them; or say why it cannot be."""
        for bar in self._of_import:  # of the config before
            self._banners.remove(bar)
        others = self._banners.bars()
        try:
            self._session.import_config(file)
            self._panes.turn_to("setup")
        except UserError as error:
            self._banners.add("error", str(error), "The settings stay as they were.")
        self._of_import = [bar for bar in self._banners.bars() if bar not in others]

    @Slot()
    def choose_folder(self) -> None:
        """Ask for a folder of data."""
        folder = QFileDialog.getExistingDirectory(
            self._window, "Choose a folder with training data", str(Path.home())
        )
        if folder:
            self.open_data(Path(folder))

    @Slot()
    def choose_settings(self) -> None:
        """Ask for a config to import."""
        file, _ = QFileDialog.getOpenFileName(
            self._window, "Import the settings of a run", str(Path.home()), "Settings (*.yaml *.yml *.json)"
        )
        if file:
            self.import_config(Path(file))

    @Slot()
    def use_sample(self) -> None:
        """Take the sample data, and show it."""
        self._session.set_data("sample")
        self._panes.turn_to("data")
