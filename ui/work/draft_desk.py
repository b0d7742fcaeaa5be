"""The draft of the next run, as it changes from outside its form: imported, dropped, taken back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from droid_tune import words
from droid_tune.config.asking.trust import allow_file, unallowed_reach
from droid_tune.config.files.config_file import read_config_file, with_absolute_paths
from droid_tune.paths import BUNDLED_DATA
from ui.draft import Draft
from ui.settings import Settings


class DraftDesk(QObject):
    """Tells what changed, so that the form and the Data pane follow."""

    changed = Signal()
    data_changed = Signal(str)  # the data's file or folder
    consent_wanted = Signal(Path, list)  # a config that reaches for more than model and data, in clauses
    told = Signal(str, str, str)  # level, sentence, remedy

    def __init__(self, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self.draft = Draft.from_values(settings.draft)

    def restore(self, values: dict[str, Any]) -> None:
        """The draft as it was at another time."""
        before = self.draft.data
        self.draft.restore(values)
        self._tell_from(before)

    def import_config(self, file: Path, said: str = "") -> None:
        """The settings of a config, ours or another trainer's, become the draft; what has no counterpart is told.

        `said` is what a person did, without its full stop; by default that the file was imported.

        The chosen data stays where the config names none that is here. Raises UserError; nothing is changed then.
        """
        imported = read_config_file(file)
        values, notes = with_absolute_paths(imported.values, file.parent), list(imported.notes)
        if found := unallowed_reach(file, values):
            self.consent_wanted.emit(file, found)
            return
        values = _without_absent_data(values, notes)
        before = self.draft.data
        self.draft.take(values)
        self._tell_from(before)
        said = said or f"The settings of {words.literal(file.name)} were imported"
        said += f"; {words.count(len(notes), 'thing')} to know." if notes else "."
        self.told.emit("warning" if notes else "good", said, "\n".join(map(words.literal, notes)))

    def allow_import(self, file: Path) -> None:
        """The person allowed what a config reaches for: import it. Raises UserError."""
        allow_file(file, with_absolute_paths(read_config_file(file).values, file.parent))
        self.import_config(file)

    def set_data(self, path: str) -> None:
        """Take a file, a folder, a bundled name or a Hub id as the data."""
        self.draft.set_data(path)
        if path not in BUNDLED_DATA:
            self._settings.remember_data(path)
        self.data_changed.emit(path)
        self.changed.emit()

    def set_files(self, files: dict[str, list[str]]) -> None:
        """Files from several places, by their split."""
        paths = [Path(one) for group in files.values() for one in group]
        common = Path(os.path.commonpath([path.parent for path in paths]))
        self.draft.set_data(str(common))
        self.draft.set("data.files", files)
        self.data_changed.emit(str(common))
        self.changed.emit()

    def keep(self) -> None:
        """Put the draft into the settings, which are saved when the window closes."""
        self._settings.draft = self.draft.to_values()

    def _tell_from(self, data_before: str) -> None:
        if self.draft.data != data_before:
            self.data_changed.emit(self.draft.data)
        self.changed.emit()


def _without_absent_data(values: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """The values without data that is not on this computer, which is noted."""
    data = values.get("data")
    path = data.get("path") if isinstance(data, dict) else None
    if not path or path in BUNDLED_DATA or Path(str(path)).exists():
        return values
    notes.append(f"Its data {path} is not on this computer: the chosen data stays.")
    return {key: value for key, value in values.items() if key != "data"}
