"""Prepare a run: model, method, rewards, settings. Draws and changes `session.draft`."""

from __future__ import annotations

import contextlib

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QVBoxLayout, QWidget

from droid_tune import words
from droid_tune.config import PRESETS, RunConfig
from droid_tune.config.method_table import card_of, family_of
from droid_tune.config.methods import METHOD_CONFIGS
from droid_tune.config.run import (
    AdapterConfig,
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    MemoryConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.sampling_method import SamplingMethodConfig
from droid_tune.config.tracking_config import TrackingConfig
from droid_tune.errors import UserError
from droid_tune.model_files.found import describe, module_names
from ui.form.fields import as_text, specs_of
from ui.form.form import Fold, SettingsGroup
from ui.form.run_picker import RunEditor
from ui.form.starting_runs import misfit, startable
from ui.frame.first_paint import FIRST_PAINT
from ui.panes.base import Pane
from ui.panes.setup.choice_cards import ChoiceCards
from ui.panes.setup.data_readiness import ReadinessAsker
from ui.panes.setup.estimate_panel import EstimatePanel
from ui.panes.setup.forecast_strip import ForecastStrip
from ui.panes.setup.forecasting import Forecaster
from ui.panes.setup.help_texts import help_text
from ui.panes.setup.model_picker import ModelPicker
from ui.panes.setup.reward_list import RewardList
from ui.session import Session
from ui.widgets.basics import button, clear, column, frame, label, restyle, row, scrolling
from ui.widgets.segmented import Segmented

#: how wide the page's column may grow before lines get too long to read
PAGE_WIDTH = 860
#: after typing, before the whole config is validated again
VALIDATE_AFTER_MS = 120

SECTIONS = (
    ("training", "Training", TrainingConfig),
    ("sampling", "Sampling", SamplingConfig),
    ("optimizer", "Optimizer", OptimizerConfig),
    ("adapter", "Adapter", AdapterConfig),
    ("evaluation", "Evaluation", EvaluationConfig),
    ("checkpoint", "Checkpoints", CheckpointConfig),
    ("memory", "Memory", MemoryConfig),
    ("tracking", "Tracking", TrackingConfig),
    ("data", "Prompts", DataConfig),
    ("model", "Start", ModelConfig),
)
#: has a place of its own on the page
ELSEWHERE = frozenset({"path", "files"})


class SetupPane(Pane):
    """Every change goes to the draft at once; faults stand next to their fields; Train is below."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._groups: dict[str, SettingsGroup] = {}
        self._faults: dict[str, str] = {}
        self._help: QVBoxLayout | None = None
        outer = column(self, spacing=0)
        page = QWidget(self)
        outer.addWidget(scrolling(page, self), 1)
        sides = row(page)
        sides.setContentsMargins(20, 18, 20, 24)
        middle = QWidget(page)
        middle.setMaximumWidth(PAGE_WIDTH)
        sides.addWidget(middle)
        self._column = column(middle, spacing=8)
        self._make_model(middle)
        self._make_data(middle)
        self._make_methods(middle)
        self._make_rewards(middle)
        self._make_estimate(middle)
        self._make_settings(middle)
        self._column.addStretch(1)
        outer.addWidget(self._footer())
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(VALIDATE_AFTER_MS)
        self._later.timeout.connect(self._validate)
        session.draft_changed.connect(self._show_draft)
        session.runs_changed.connect(self._offer_runs)
        FIRST_PAINT.after(self._make_sections)
        self._show_draft()

    # --- sections -----------------------------------------------------------------------------------------------

    def _heading(self, text: str, parent: QWidget, words: str = "") -> QLabel:
        self._column.addSpacing(10)
        made = label(text, "heading", parent=parent)
        self._column.addWidget(made)
        if words:
            self._column.addWidget(label(words, "small", parent=parent, wrap=True))
        return made

    def _make_model(self, parent: QWidget) -> None:
        self._column.addWidget(label("Model", "heading", parent=parent))
        self._picker = ModelPicker(parent)
        self._picker.chosen.connect(self._choose_model)
        self._column.addWidget(self._picker)

    def _make_data(self, parent: QWidget) -> None:
        self._heading("Data", parent)
        card = frame("card", parent)
        bar = row(card, spacing=10)
        bar.setContentsMargins(14, 10, 10, 10)
        words = column(spacing=1)
        self._data = label("", "strong", parent=card)
        self._data_place = label("", "small", parent=card, wrap=True)
        words.addWidget(self._data)
        words.addWidget(self._data_place)
        bar.addLayout(words, 1)
        change = button("Change…", parent=card)
        change.clicked.connect(self._ask_for_data)
        bar.addWidget(change)
        self._column.addWidget(card)

    def _make_methods(self, parent: QWidget) -> None:
        self._heading("Method", parent)
        choices = [
            (key, config.label, config.summary) for key, config in METHOD_CONFIGS.items() if not config.card
        ]
        self._methods = ChoiceCards(choices, parent, "Method")
        self._methods.chosen.connect(self._choose_method)
        self._column.addWidget(self._methods)
        self._help_fold = Fold("About this method", self._fill_help, parent)
        self._column.addWidget(self._help_fold)

    def _fill_help(self, layout: QVBoxLayout) -> None:
        self._help = column(spacing=9)
        self._help.setContentsMargins(14, 4, 14, 8)
        layout.addLayout(self._help)
        self._show_help()

    def _show_help(self) -> None:
        """The method's text, a label per paragraph."""
        if self._help is None:
            return
        clear(self._help)
        for paragraph in help_text(self.session.draft.method).strip().split("\n\n"):
            shown = QLabel(self)
            shown.setTextFormat(Qt.TextFormat.MarkdownText)  # our own text, never the user's
            shown.setWordWrap(True)
            shown.setText(paragraph)
            self._help.addWidget(shown)

    def _make_rewards(self, parent: QWidget) -> None:
        words = "Each completion is scored by these; the scores are added up with their weights."
        self._rewards_section = QWidget(parent)
        section = column(self._rewards_section, spacing=8)
        section.addSpacing(8)
        section.addWidget(label("Rewards", "heading", parent=self._rewards_section))
        section.addWidget(label(words, "small", parent=self._rewards_section, wrap=True))
        self._rewards = RewardList(self._rewards_section)
        self._rewards.changed.connect(self._change_rewards)
        section.addWidget(self._rewards)
        self._column.addWidget(self._rewards_section)

    def _make_estimate(self, parent: QWidget) -> None:
        self._heading("Memory and time", parent)
        self._panel = EstimatePanel(parent)
        self._column.addWidget(self._panel)

    def _make_settings(self, parent: QWidget) -> None:
        self._column.addSpacing(10)
        bar = row(spacing=10)
        bar.addWidget(label("Settings", "heading", parent=parent))
        bar.addStretch(1)
        self._reset_all = button(
            "Reset All", "quiet", parent=parent, help="Back to the defaults of the preset"
        )
        self._reset_all.clicked.connect(self._reset_everything)
        bar.addWidget(self._reset_all)
        self._column.addLayout(bar)
        presets = [(key, preset.title) for key, preset in PRESETS.items()]
        self._preset = Segmented(presets, parent, "Preset")
        self._preset.chosen.connect(self._choose_preset)
        self._column.addWidget(self._preset)
        self._preset_words = label("", "small", parent=parent, wrap=True)
        self._column.addWidget(self._preset_words)
        self._name = QLineEdit(parent)
        self._name.setPlaceholderText("A name for the run (made from method and model if left empty)")
        self._name.setAccessibleName("Name of the run")
        self._name.setMaxLength(120)
        self._name.textEdited.connect(self._rename)
        self._column.addWidget(self._name)
        self._method_box = column(spacing=8)
        self._column.addLayout(self._method_box)
        self._section_box = column(spacing=8)
        self._column.addLayout(self._section_box)

    def _make_sections(self) -> None:
        """The settings that every method has; so far down the page that the first paint does not show them."""
        for section, title, config in SECTIONS:
            self._section_box.addSpacing(6)
            self._section_box.addWidget(label(title, "strong", parent=self))
            group = SettingsGroup(title, specs_of(config, section, ELSEWHERE), self)
            self._connect(group)
            self._groups[section] = group
            self._section_box.addWidget(group)
        self._show_values()
        self._offer_runs()

    def _connect(self, group: SettingsGroup) -> None:
        group.edited.connect(self._edit)
        group.reset.connect(self._reset)
        group.grown.connect(self._show_values)

    def _footer(self) -> QFrame:
        foot = frame("footer", self)
        lines = column(foot, spacing=8)
        lines.setContentsMargins(20, 10, 20, 10)
        self._forecast = ForecastStrip(foot)
        self._forecast.applied.connect(self._apply_remedy)
        self._forecaster = Forecaster(self)
        self._forecaster.told.connect(self._forecast.show_estimate)
        self._forecaster.told.connect(self._panel.show_estimate)
        self._forecaster.compared.connect(self._panel.show_methods)
        self._forecaster.failed.connect(self._forecast.show_fault)
        self._forecaster.hampered.connect(self._panel.show_fault)
        self.session.data_changed.connect(self._forecaster.forget_data)
        self._readiness = ReadinessAsker(self)
        self._readiness.told.connect(self._forecast.show_data)
        self.session.data_changed.connect(self._readiness.forget_data)
        self._forecast.data_asked.connect(self._ask_for_data)
        lines.addWidget(self._forecast)
        bar = row(spacing=12)
        lines.addLayout(bar)
        self._summary = label("", "small", parent=foot, wrap=True)
        bar.addWidget(self._summary, 1)
        self._check = button(
            "Signal Check…",
            parent=foot,
            help="Sample a few prompts with the starting model: will it learn, does it fit, how long?",
        )
        self._check.clicked.connect(self._check_signal)
        bar.addWidget(self._check)
        self._show_fault_button = button("Show", parent=foot, help="Go to the setting that needs attention")
        self._show_fault_button.clicked.connect(self._go_to_fault)
        bar.addWidget(self._show_fault_button)
        return foot

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _show_draft(self) -> None:
        draft = self.session.draft
        self._picker.show_model(draft.model, self.session.settings.recent_models)
        self._show_data(draft.data)
        self._methods.choose(card_of(draft.method))
        self._preset.choose(draft.preset)
        self._name.setText(draft.name)
        self._rewards.show_rewards(draft.rewards)
        self._show_method()

    def _show_data(self, path: str) -> None:
        bundled = path == "sample"
        name = path.rstrip("/").rpartition("/")[2]
        self._data.setText("Sample data" if bundled else words.literal(name))
        place = "Bundled arithmetic in words, for the starter model." if bundled else words.literal(path)
        self._data_place.setText(place)

    def _show_method(self) -> None:
        """The settings of the method, under its own name."""
        draft = self.session.draft
        config = METHOD_CONFIGS[draft.method]
        reinforcement = config.samples
        self._rewards_section.setVisible(reinforcement)
        clear(self._method_box)
        self._method_box.addSpacing(6)
        self._method_box.addWidget(label(config.label, "strong", parent=self))
        self._offer_family(draft.method)
        group = SettingsGroup(config.label, specs_of(config, "method"), self)
        self._connect(group)
        self._groups["method"] = group
        self._method_box.addWidget(group)
        self._show_help()
        self._preset_words.setText(PRESETS[draft.preset].summary)
        self._show_values()
        self._validate()

    def _offer_family(self, method: str) -> None:
        """The methods that share a card, where there are several."""
        family = family_of(card_of(method))
        if len(family) == 1:
            return
        kinds = Segmented([(one, METHOD_CONFIGS[one].label) for one in family], self, "Kind of method")
        kinds.choose(method)
        kinds.chosen.connect(self._choose_method)
        self._method_box.addWidget(kinds)
        self._method_box.addWidget(label(METHOD_CONFIGS[method].summary, "small", parent=self, wrap=True))

    @Slot()
    def _show_values(self) -> None:
        draft = self.session.draft
        for group in self._groups.values():
            for path, shown in group.rows.items():
                shown.show_value(draft.value(path), changed=draft.changed(path))
                shown.show_default(self._default_words(path))
                if path == "adapter.target_modules":
                    shown.offer(module_names(draft.model))
            group.note_changes(sum(draft.changed(path) for path in group.advanced_paths()))
        self._reset_all.setEnabled(bool(draft.changes()))

    @Slot()
    def _offer_runs(self) -> None:
        editor = self._groups["model"].rows["model.start_from"].editor
        if isinstance(editor, RunEditor):
            editor.offer_runs(startable(self.session.runs))
        self._validate()

    def _default_words(self, path: str) -> str:
        defaults = self.session.draft.defaults()
        if path == "optimizer.learning_rate":
            kind = self.session.draft.value("adapter.type")  # training every weight takes another one
            adapter = defaults.adapter.model_copy(update={"type": kind})
            return as_text(defaults.model_copy(update={"adapter": adapter}).learning_rate, "number")
        if path.startswith("memory."):
            return "automatic"
        if path == "adapter.target_modules":
            return "every linear layer"
        return "none"

    @Slot()
    def _validate(self) -> None:
        draft = self.session.draft
        faults = draft.faults()
        unusable = describe(draft.model).fault if draft.model != "starter" else ""
        if unusable:
            faults = {"model.path": unusable, **faults}
        elif start := str(draft.value("model.start_from")):
            unfit = misfit(start, draft.model)
            faults = {**({"model.start_from": unfit} if unfit else {}), **faults}
        for group in self._groups.values():
            for path in group.paths():
                if path in faults and path not in group.rows:
                    group.reveal(path)
            for path, shown in group.rows.items():
                shown.show_fault(faults.get(path, ""))
        self._rewards.show_faults(faults)
        self._faults = faults
        self._show_readiness()

    @Slot()
    def _show_readiness(self) -> None:
        count = len(self._faults)
        if count:
            self._forecast.hide()
            path, said = next(iter(self._faults.items()))
            first = f"{self._title_of(path)}: {said}" if path else said
            more = f" {words.count(count, 'setting')} to mend in all." if count > 1 else ""
            self._summary.setText(first + more)
        else:
            self._summary.setText(self._run_in_words())
        restyle(self._summary, "role", "fault" if count else "small")
        self._show_fault_button.setVisible(bool(count))

    def _title_of(self, path: str) -> str:
        """`Training, Steps` for `training.iterations`: as the page names it."""
        section, _, name = path.partition(".")
        group = self._groups.get(section)
        spec = group.spec(path) if group is not None else None
        if path == "model.path":
            return "Model"
        if group is None or spec is None:
            return path.replace("rewards", "Reward ").replace("[", "").replace("].", ", ")
        return f"{group.accessibleName()}, {spec.title or name}"

    def _run_in_words(self) -> str:
        try:
            config = self.session.draft.config()
        except UserError as error:
            return str(error)
        self._forecaster.ask(config)
        self._readiness.ask(config)
        return run_in_words(config)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _ask_for_data(self) -> None:
        self.ask("data")

    @Slot(str)
    def _choose_model(self, path: str) -> None:
        self.session.draft.set_model(path)
        self._rewards.show_rewards(self.session.draft.rewards)
        self._show_values()
        self._validate()

    @Slot(str)
    def _choose_method(self, method: str) -> None:
        self.session.draft.method = method
        self._rewards.show_rewards(self.session.draft.rewards)
        self._show_method()

    @Slot(str)
    def _choose_preset(self, preset: str) -> None:
        self.session.draft.preset = preset
        self._preset_words.setText(PRESETS[preset].summary)
        self._show_values()
        self._validate()

    @Slot(str)
    def _rename(self, name: str) -> None:
        self.session.draft.set_name(name)

    @Slot(list)
    def _change_rewards(self, rewards: list[dict[str, object]]) -> None:
        self.session.draft.set_rewards(rewards)
        self._later.start()

    @Slot(str, object)
    def _edit(self, path: str, value: object) -> None:
        self.session.draft.set(path, value)
        self._show_values()
        self._forecast_soon()
        self._later.start()

    def _forecast_soon(self) -> None:
        """The memory bar moves with the field; the whole config is validated a moment later."""
        with contextlib.suppress(UserError):
            self._forecaster.ask(self.session.draft.config())

    @Slot()
    def _check_signal(self) -> None:
        try:
            config = self.session.draft.config()
        except UserError as error:
            self.session.told.emit("error", str(error), "")
            return
        from ui.panes.setup.check_view import CheckView

        view = CheckView(self.session, config, self.window())
        view.applied.connect(self._apply_remedy)
        view.open()

    @Slot(str)
    def _reset(self, path: str) -> None:
        self.session.draft.reset(path)
        self._show_values()
        self._validate()

    @Slot()
    def _reset_everything(self) -> None:
        self.session.draft.reset_all()
        self._show_values()
        self._validate()

    @Slot(dict)
    def _apply_remedy(self, values: dict[str, object]) -> None:
        for path, value in values.items():
            self.session.draft.set(path, value)
        self._show_values()
        self._validate()

    def point_out(self) -> bool:
        self._validate()
        self._go_to_fault()
        return bool(self._faults)

    @Slot()
    def _go_to_fault(self) -> None:
        for path in self._faults:
            group = self._groups.get(path.partition(".")[0])
            shown = group.reveal(path) if group is not None else None
            if shown is not None:
                shown.editor.setFocus(Qt.FocusReason.OtherFocusReason)
                return


def run_in_words(config: RunConfig) -> str:
    """What pressing Train would do, in a sentence."""
    steps = words.count(config.training.iterations, "step")
    if isinstance(config.method, SamplingMethodConfig):
        prompts, group = config.training.batch_size, config.method.group_size
        total = config.training.iterations * prompts * group
        return (
            f"{type(config.method).label}: {steps}, each {words.count(prompts, 'prompt')} × {group} completions "
            f"of up to {words.count(config.sampling.max_completion_length, 'token')}; "
            f"{words.count(total, 'completion')} in all."
        )
    return f"{type(config.method).label}: {steps} of {words.count(config.training.batch_size, 'row')}."
