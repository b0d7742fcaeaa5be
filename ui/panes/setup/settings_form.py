"""The settings of the next run: those of its method under its own name, then those that every method has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from droid_tune.config.model_and_data import AdapterConfig, DataConfig, ModelConfig
from droid_tune.config.recipes.method_table import card_of, family_of
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.setting_titles import section_heading
from droid_tune.config.tracking_config import TrackingConfig
from droid_tune.config.training_config import (
    CheckpointConfig,
    EvaluationConfig,
    MemoryConfig,
    OptimizerConfig,
    TrainingConfig,
)
from droid_tune.model_files.found import module_names
from ui.draft import Draft
from ui.form.fields import as_text, specs_of
from ui.form.form import SettingsGroup
from ui.form.run_picker import RunEditor
from ui.form.starting_runs import Start
from ui.widgets.basics import clear, column, label, prose
from ui.widgets.segmented import Segmented

SECTIONS = (
    ("training", TrainingConfig),
    ("sampling", SamplingConfig),
    ("optimizer", OptimizerConfig),
    ("adapter", AdapterConfig),
    ("evaluation", EvaluationConfig),
    ("checkpoint", CheckpointConfig),
    ("memory", MemoryConfig),
    ("tracking", TrackingConfig),
    ("data", DataConfig),
    ("model", ModelConfig),
)
#: has a place of its own on the page
ELSEWHERE = frozenset({"path", "files"})


class SettingsForm(QWidget):
    """Draws a draft and tells what is wanted of it; paths are `section.field`, as in the config file."""

    edited = Signal(str, object)  # path, value
    reset = Signal(str)  # path
    grown = Signal()  # rows were unfolded that show no value yet
    method_chosen = Signal(str)  # another one of the same card

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.groups: dict[str, SettingsGroup] = {}  # by section, the method's as `method`
        lines = column(self, spacing=8)
        self._method_box = column(spacing=8)
        lines.addLayout(self._method_box)
        self._section_box = column(spacing=8)
        lines.addLayout(self._section_box)

    # --- parts --------------------------------------------------------------------------------------------------

    def add_sections(self) -> None:
        """The settings that every method has; so far down the page that the first paint does not show them."""
        for section, config in SECTIONS:
            title = section_heading(section)
            self._section_box.addSpacing(6)
            self._section_box.addWidget(label(title, "strong", parent=self))
            group = self._group(section, SettingsGroup(title, specs_of(config, section, ELSEWHERE), self))
            self._section_box.addWidget(group)

    def show_method(self, method: str) -> None:
        """The settings of another method in place of the last one's."""
        config = METHOD_CONFIGS[method]
        clear(self._method_box)
        self._method_box.addSpacing(6)
        self._method_box.addWidget(label(config.label, "strong", parent=self))
        self._offer_family(method)
        group = self._group("method", SettingsGroup(config.label, specs_of(config, "method"), self))
        self._method_box.addWidget(group)

    def _offer_family(self, method: str) -> None:
        """The methods that share a card, where there are several."""
        family = family_of(card_of(method))
        if len(family) == 1:
            return
        kinds = Segmented([(one, METHOD_CONFIGS[one].label) for one in family], self, "Kind of method")
        kinds.choose(method)
        kinds.chosen.connect(self.method_chosen)
        self._method_box.addWidget(kinds)
        self._method_box.addWidget(prose(METHOD_CONFIGS[method].summary, "small", parent=self))

    def _group(self, section: str, group: SettingsGroup) -> SettingsGroup:
        group.edited.connect(self.edited)
        group.reset.connect(self.reset)
        group.grown.connect(self.grown)
        self.groups[section] = group
        return group

    # --- drawing ------------------------------------------------------------------------------------------------

    def show_values(self, draft: Draft) -> None:
        """Every row's value, and what it is where nothing is written into it."""
        for group in self.groups.values():
            for path, shown in group.rows.items():
                shown.show_value(draft.value(path), changed=draft.changed(path))
                shown.show_default(default_words(draft, path))
                if path == "adapter.target_modules":
                    shown.offer(module_names(draft.model))
            group.note_changes(sum(draft.changed(path) for path in group.advanced_paths()))

    def offer_runs(self, runs: Sequence[Start]) -> None:
        """Runs to start from."""
        editor = self.groups["model"].rows["model.start_from"].editor
        if isinstance(editor, RunEditor):
            editor.offer_runs(runs)

    def show_faults(self, faults: Mapping[str, str]) -> None:
        """Next to their fields, which are unfolded for that."""
        for group in self.groups.values():
            for path in group.paths():
                if path in faults and path not in group.rows:
                    group.reveal(path)
            for path, shown in group.rows.items():
                shown.show_fault(faults.get(path, ""))

    def go_to_first(self, paths: Iterable[str]) -> None:
        """Put the keyboard into the first of these settings that stands here."""
        for path in paths:
            group = self.groups.get(path.partition(".")[0])
            shown = group.reveal(path) if group is not None else None
            if shown is not None:
                shown.editor.setFocus(Qt.FocusReason.OtherFocusReason)
                return


def default_words(draft: Draft, path: str) -> str:
    """What a setting stands for while its field is empty."""
    defaults = draft.defaults()
    if path == "optimizer.learning_rate":
        kind = draft.value("adapter.type")  # training every weight takes another one
        adapter = defaults.adapter.model_copy(update={"type": kind})
        return as_text(defaults.model_copy(update={"adapter": adapter}).learning_rate, "number")
    if path.startswith("memory."):
        return "automatic"
    if path == "adapter.target_modules":
        return "every linear layer"
    return "none"
