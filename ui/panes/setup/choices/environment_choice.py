"""Tools and turns: what the model may act in while it learns, with the settings of the kind that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from droid_tune import words
from droid_tune.config.environments import (
    ENVIRONMENT_CONFIGS,
    EnvironmentConfig,
    OpenEnvEnvironment,
    OwnCodeConfig,
)
from ui.draft import Draft
from ui.form.fields import FieldSpec, specs_of
from ui.form.form import Fold, SettingsGroup
from ui.panes.setup.choices.help_texts import add_help
from ui.widgets.basics import button, clear, column, prose, row
from ui.widgets.segmented import Segmented

NONE = ""
WITHOUT = "One prompt, one answer. With tools the model may call functions and read their results before it answers."
PATH, SERVER = "environment.path", "environment.server"


class EnvironmentChoice(QWidget):
    """`chosen` tells a kind (`""`: none), `edited` a setting's path and value, `example_wanted` the bundled example."""

    chosen = Signal(str)
    edited = Signal(str, object)
    reset = Signal(str)
    grown = Signal()
    example_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._kind: str | None = None
        self._group: SettingsGroup | None = None
        self._faulty, self.unusable = "", ""  # by the settings, and by what it is
        lines = column(self, spacing=8)
        lines.addLayout(self._bar())
        lines.addLayout(self._buttons())
        self._summary = prose("", "small", parent=self)
        lines.addWidget(self._summary)
        self._found = prose("", "small", parent=self)
        lines.addWidget(self._found)
        self._fault = prose("", "fault", parent=self)
        self._fault.hide()
        lines.addWidget(self._fault)
        self._box = column(spacing=0)
        lines.addLayout(self._box)
        lines.addWidget(Fold("About tools and turns", self._fill_help, self))

    def _fill_help(self, layout: QVBoxLayout) -> None:
        paragraphs = column(spacing=9)
        paragraphs.setContentsMargins(14, 4, 14, 8)
        layout.addLayout(paragraphs)
        add_help("tools_and_turns", paragraphs, self)

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=10)
        kinds = [(kind, config.label) for kind, config in ENVIRONMENT_CONFIGS.items()]
        self._kinds = Segmented([(NONE, "None"), *kinds], self, "Tools and turns")
        self._kinds.chosen.connect(self.chosen)
        bar.addWidget(self._kinds)
        bar.addStretch(1)
        return bar

    def _buttons(self) -> QHBoxLayout:
        """Below the kinds, which fill a small window's width."""
        bar = row(spacing=10)
        self._file = button("File…", parent=self, icon="folder", help="Choose the Python file")
        self._file.clicked.connect(self._choose_file)
        bar.addWidget(self._file)
        self._folder = button(
            "Folder…", parent=self, icon="folder", help="Choose the folder with openenv.yaml"
        )
        self._folder.clicked.connect(self._choose_folder)
        bar.addWidget(self._folder)
        example = button(
            "Bundled Example",
            parent=self,
            help="A small model, questions, and the tools that it learns to use for them",
        )
        example.clicked.connect(self.example_wanted)
        bar.addWidget(example)
        bar.addStretch(1)
        return bar

    # --- drawing ------------------------------------------------------------------------------------------------

    def show_values(self, draft: Draft) -> None:
        """The kind that was chosen, and its settings."""
        self._show_kind(draft.environment)
        if self._group is None:
            return
        for path, shown in self._group.rows.items():
            shown.show_value(draft.value(path), changed=draft.changed(path))
        self._group.note_changes(sum(draft.changed(path) for path in self._group.advanced_paths()))

    def _show_kind(self, kind: str) -> None:
        if kind == self._kind:
            return
        self._kind = kind
        self._kinds.choose(kind)
        clear(self._box)
        self._group = None
        self.show_tools([])
        config = ENVIRONMENT_CONFIGS.get(kind)
        self._file.setVisible(config is not None and issubclass(config, OwnCodeConfig))
        self._folder.setVisible(config is OpenEnvEnvironment)
        self._summary.setText(WITHOUT if config is None else config.summary)
        if config is None:
            return
        self._group = SettingsGroup(config.label, own_first(config), self)
        self._group.edited.connect(self.edited)
        self._group.reset.connect(self.reset)
        self._group.grown.connect(self.grown)
        self._box.addWidget(self._group)

    @Slot(list)
    def show_tools(self, tools: list[str]) -> None:
        """The tools that were found in it, a line each."""
        self._found.setText(words.literal("\n".join(tools)))
        self._found.setVisible(bool(tools))
        self.show_unusable("")

    @Slot(str)
    def show_unusable(self, sentence: str) -> None:
        """Why it cannot be used; empty where it can, or where nobody knows yet."""
        self.unusable = sentence
        if sentence:
            self._found.hide()
        self._show_fault()

    def _show_fault(self) -> None:
        said = self._faulty or self.unusable
        self._fault.setText(words.literal(said))
        self._fault.setVisible(bool(said))

    def show_faults(self, faults: Mapping[str, str]) -> None:
        """What is wrong: with a setting next to it, with the choice itself below it."""
        self._faulty = faults.get("environment", "")
        self._show_fault()
        if self._group is None:
            return
        for path in self._group.paths():
            if path in faults and path not in self._group.rows:
                self._group.reveal(path)
        for path, shown in self._group.rows.items():
            shown.show_fault(faults.get(path, ""))

    def go_to_first(self, faults: Mapping[str, str]) -> bool:
        """Put the keyboard into the first faulty setting here; whether there is one."""
        first = (
            next(iter(self._group.rows), "") if self._group is not None else ""
        )  # names what is to be used
        for path in faults:
            wanted = first if path == "environment" else path
            shown = self._group.reveal(wanted) if self._group is not None else None
            if shown is not None:
                shown.editor.setFocus(Qt.FocusReason.OtherFocusReason)
                return True
        return False

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _choose_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(
            self, "Choose a Python file with tools", str(Path.home()), "Python (*.py)"
        )
        if file:
            self.edited.emit(PATH, file)

    @Slot()
    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Choose an OpenEnv environment's folder", str(Path.home())
        )
        if folder:
            self.edited.emit(SERVER, folder)


def own_first(config: type[EnvironmentConfig]) -> list[FieldSpec]:
    """The settings of a kind: what it alone has, then what all have."""
    return sorted(
        specs_of(config, "environment"),
        key=lambda spec: spec.path.partition(".")[2] in EnvironmentConfig.model_fields,
    )
