"""What the Setup pane changes in the draft."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.paths import tools_starter_dir
from ui.session import Session

#: the settings of the bundled example of tools and turns, in its folder
EXAMPLE = "run.yaml"


class DraftEdits(QObject):
    """One slot for each thing that a person can change; the signals tell how much of the page is to be drawn anew."""

    remade = Signal()  # another model, method or environment: other settings and rewards
    changed = Signal()  # values
    typed = Signal()  # a value, of which more may be typed

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session

    @Slot(str)
    def choose_model(self, path: str) -> None:
        """A folder or a Hub id."""
        self._session.draft.set_model(path)
        self.remade.emit()

    @Slot(str)
    def choose_method(self, method: str) -> None:
        """By its key."""
        self._session.draft.method = method
        self.remade.emit()

    @Slot(str)
    def choose_environment(self, kind: str) -> None:
        """By its key; an empty one for one prompt, one answer."""
        self._session.draft.set_environment(kind)
        self.remade.emit()

    @Slot()
    def take_example(self) -> None:
        """Model, data, tools and settings of the bundled example."""
        self._session.import_config(
            tools_starter_dir() / EXAMPLE,
            "The bundled example of tools and turns was chosen: its model, its questions and its tools",
        )

    @Slot(str)
    def choose_preset(self, preset: str) -> None:
        """By its key."""
        self._session.draft.preset = preset
        self.changed.emit()

    @Slot(str)
    def rename(self, name: str) -> None:
        """The run; an empty name is made from its method and model."""
        self._session.draft.set_name(name)

    @Slot(list)
    def change_rewards(self, rewards: list[dict[str, object]]) -> None:
        """The whole list, as the config has it."""
        self._session.draft.set_rewards(rewards)
        self.typed.emit()

    @Slot(str, object)
    def edit(self, path: str, value: object) -> None:
        """A setting by its path, `section.field`."""
        self._session.draft.set(path, value)
        self.typed.emit()

    @Slot(str)
    def reset(self, path: str) -> None:
        """A setting, to what the preset has."""
        self._session.draft.reset(path)
        self.changed.emit()

    @Slot()
    def reset_everything(self) -> None:
        """All settings, to what the preset has."""
        self._session.draft.reset_all()
        self.changed.emit()

    @Slot(dict)
    def apply_remedy(self, values: dict[str, object]) -> None:
        """Settings by their paths."""
        for path, value in values.items():
            self._session.draft.set(path, value)
        self.changed.emit()
