"""Prepare a run: model, method, rewards, settings. Draws and changes `session.draft`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QLineEdit, QWidget

from droid_tune import words
from droid_tune.config.methods import METHOD_CONFIGS
from droid_tune.config.policy_method import PolicyMethodConfig
from droid_tune.errors import UserError
from droid_tune.paths import tools_starter_dir
from ui.background import Task
from ui.form.starting_runs import Start, startable
from ui.frame.first_paint import FIRST_PAINT
from ui.panes.base import Pane
from ui.panes.setup.data_card import DataCard
from ui.panes.setup.data_readiness import ReadinessAsker
from ui.panes.setup.draft_faults import faults_of
from ui.panes.setup.environment_choice import EnvironmentChoice
from ui.panes.setup.estimate_panel import EstimatePanel
from ui.panes.setup.forecasting import Forecaster
from ui.panes.setup.method_choice import MethodChoice
from ui.panes.setup.model_picker import ModelPicker
from ui.panes.setup.preset_choice import PresetChoice
from ui.panes.setup.reward_readiness import untried_files
from ui.panes.setup.rewards_section import RewardsSection
from ui.panes.setup.run_in_words import run_in_words
from ui.panes.setup.settings_form import SettingsForm
from ui.panes.setup.setup_footer import SetupFooter
from ui.panes.setup.tools_asker import ToolsAsker
from ui.session import Session
from ui.widgets.basics import Page, button, column, label, row, scrolling

log = logging.getLogger(__name__)

#: the settings of the bundled example of tools and turns, in its folder
EXAMPLE = "run.yaml"
#: how wide the page's column may grow before lines get too long to read
PAGE_WIDTH = 860
#: after typing, before the whole config is validated again
VALIDATE_AFTER_MS = 120


class SetupPane(Pane):
    """Every change goes to the draft at once; faults stand next to their fields; Train is below."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._faults: dict[str, str] = {}
        self._looking: Task | None = None  # for runs to start from
        outer = column(self, spacing=0)
        page = Page(self)
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
        self._make_environment(middle)
        self._make_rewards(middle)
        self._make_estimate(middle)
        self._make_settings(middle)
        self._column.addStretch(1)
        outer.addWidget(self._make_footer())
        self._make_forecasts()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(VALIDATE_AFTER_MS)
        self._later.timeout.connect(self._validate)
        session.draft_changed.connect(self._show_draft)
        session.runs_changed.connect(self._offer_runs)
        FIRST_PAINT.after(self._make_sections)
        self._show_draft()

    # --- sections -----------------------------------------------------------------------------------------------

    def _heading(self, text: str, parent: QWidget) -> None:
        self._column.addSpacing(10)
        self._column.addWidget(label(text, "heading", parent=parent))

    def _make_model(self, parent: QWidget) -> None:
        self._column.addWidget(label("Model", "heading", parent=parent))
        self._picker = ModelPicker(self.session, parent)
        self._picker.chosen.connect(self._choose_model)
        self._column.addWidget(self._picker)

    def _make_data(self, parent: QWidget) -> None:
        self._heading("Data", parent)
        self._data = DataCard(parent)
        self._data.change_asked.connect(self._ask_for_data)
        self._column.addWidget(self._data)

    def _make_methods(self, parent: QWidget) -> None:
        self._heading("Method", parent)
        self._methods = MethodChoice(parent)
        self._methods.chosen.connect(self._choose_method)
        self._column.addWidget(self._methods)

    def _make_environment(self, parent: QWidget) -> None:
        self._environment_section = QWidget(parent)
        section = column(self._environment_section, spacing=8)
        section.addSpacing(8)
        section.addWidget(label("Tools and turns", "heading", parent=self._environment_section))
        self._environment = EnvironmentChoice(self._environment_section)
        self._environment.chosen.connect(self._choose_environment)
        self._environment.edited.connect(self._edit)
        self._environment.reset.connect(self._reset)
        self._environment.grown.connect(self._show_values)
        self._environment.example_wanted.connect(self._take_example)
        section.addWidget(self._environment)
        self._column.addWidget(self._environment_section)

    def _make_rewards(self, parent: QWidget) -> None:
        self._rewards = RewardsSection(self.session, parent)
        self._rewards.changed.connect(self._change_rewards)
        self._rewards.tried.connect(self._validate)
        self._column.addWidget(self._rewards)

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
        self._preset = PresetChoice(parent)
        self._preset.chosen.connect(self._choose_preset)
        self._column.addWidget(self._preset)
        self._name = self._name_field(parent)
        self._column.addWidget(self._name)
        self._settings = SettingsForm(parent)
        self._settings.edited.connect(self._edit)
        self._settings.reset.connect(self._reset)
        self._settings.grown.connect(self._show_values)
        self._settings.method_chosen.connect(self._choose_method)
        self._column.addWidget(self._settings)

    def _name_field(self, parent: QWidget) -> QLineEdit:
        field = QLineEdit(parent)
        field.setPlaceholderText("A name for the run (made from method and model if left empty)")
        field.setAccessibleName("Name of the run")
        field.setMaxLength(120)
        field.textEdited.connect(self._rename)
        return field

    def _make_footer(self) -> SetupFooter:
        self._footer = SetupFooter(self)
        self._footer.check_asked.connect(self._check_signal)
        self._footer.fault_asked.connect(self._go_to_fault)
        self._footer.forecast.applied.connect(self._apply_remedy)
        self._footer.forecast.data_asked.connect(self._ask_for_data)
        self._footer.forecast.trial_asked.connect(self._rewards.try_all)
        return self._footer

    def _make_forecasts(self) -> None:
        """Whether it fits and how long it takes, whether the data is fit to train on: answered in the background."""
        forecast = self._footer.forecast
        self._forecaster = Forecaster(self)
        self._forecaster.told.connect(forecast.show_estimate)
        self._forecaster.told.connect(self._panel.show_estimate)
        self._forecaster.compared.connect(self._panel.show_methods)
        self._forecaster.failed.connect(forecast.show_fault)
        self._forecaster.hampered.connect(self._panel.show_fault)
        self.session.data_changed.connect(self._forecaster.forget_data)
        self._tools = ToolsAsker(self.session.engine, self)
        self._tools.told.connect(self._environment.show_tools)
        self._tools.failed.connect(self._environment.show_unusable)
        self._readiness = ReadinessAsker(self)
        self._readiness.told.connect(forecast.show_data)
        self.session.data_changed.connect(self._readiness.forget_data)

    def _make_sections(self) -> None:
        self._settings.add_sections()
        self._show_values()
        self._offer_runs()

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _show_draft(self) -> None:
        draft = self.session.draft
        self._picker.show_model(draft.model, self.session.settings.recent_models)
        self._data.show_data(draft.data)
        self._preset.show_preset(draft.preset)
        self._name.setText(draft.name)
        self._rewards.show_rewards(draft.rewards)
        self._show_method()

    def _show_method(self) -> None:
        """The settings of the method, under its own name."""
        method = self.session.draft.method
        self._methods.show_method(method)
        self._rewards.setVisible(METHOD_CONFIGS[method].samples)
        acts = issubclass(METHOD_CONFIGS[method], PolicyMethodConfig)
        self._environment_section.setVisible(acts or bool(self.session.draft.environment))
        self._settings.show_method(method)
        self._show_anew()

    def _show_anew(self) -> None:
        """All values, and what is wrong with them."""
        self._show_values()
        self._validate()

    @Slot()
    def _show_values(self) -> None:
        self._settings.show_values(self.session.draft)
        self._environment.show_values(self.session.draft)
        self._reset_all.setEnabled(bool(self.session.draft.changes()))

    @Slot()
    def _offer_runs(self) -> None:
        """Those that left a result, once their folders were looked at: there may be hundreds."""
        if self._looking is not None:
            self._looking.drop()
        work = partial(startable, list(self.session.runs))
        self._looking = Task(work, self, done=self._keep_startable, failed=log.warning).start()

    def _keep_startable(self, found: list[Start]) -> None:
        self._looking = None
        self._settings.offer_runs(found)
        self._validate()

    @Slot()
    def _validate(self) -> None:
        draft = self.session.draft
        self._faults = faults_of(draft)
        samples = METHOD_CONFIGS[draft.method].samples
        self._footer.forecast.show_untried(
            untried_files(draft.rewards, self.session.settings) if samples else []
        )
        self._settings.show_faults(self._faults)
        self._rewards.show_faults(self._faults)
        self._environment.show_faults(self._faults)
        say = self._footer.say_faulty if self._faults else self._footer.say_ready
        say(self._faults_in_words() if self._faults else self._run_in_words())

    def _faults_in_words(self) -> str:
        """The first one, and how many there are."""
        count = len(self._faults)
        path, said = next(iter(self._faults.items()))
        title = self._environment.title_of(path) or self._settings.title_of(path)
        first = f"{title}: {said}" if path else said
        return first + (f" {words.count(count, 'setting')} to mend in all." if count > 1 else "")

    def _run_in_words(self) -> str:
        try:
            config = self.session.draft.config()
        except UserError as error:
            return str(error)
        self._forecaster.ask(config)
        self._readiness.ask(config)
        self._tools.ask(config)
        return run_in_words(config)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _ask_for_data(self) -> None:
        self.ask("data")

    @Slot(str)
    def _choose_model(self, path: str) -> None:
        self.session.draft.set_model(path)
        self._rewards.show_rewards(self.session.draft.rewards)
        self._show_anew()

    @Slot(str)
    def _choose_method(self, method: str) -> None:
        self.session.draft.method = method
        self._rewards.show_rewards(self.session.draft.rewards)
        self._show_method()

    @Slot(str)
    def _choose_environment(self, kind: str) -> None:
        self.session.draft.set_environment(kind)
        self._rewards.show_rewards(self.session.draft.rewards)
        self._show_method()

    @Slot()
    def _take_example(self) -> None:
        """Model, data, tools and settings of the bundled example."""
        self.session.import_config(
            tools_starter_dir() / EXAMPLE,
            "The bundled example of tools and turns was chosen: its model, its questions and its tools",
        )

    @Slot(str)
    def _choose_preset(self, preset: str) -> None:
        self.session.draft.preset = preset
        self._show_anew()

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
        self._show_anew()

    @Slot()
    def _reset_everything(self) -> None:
        self.session.draft.reset_all()
        self._show_anew()

    @Slot(dict)
    def _apply_remedy(self, values: dict[str, object]) -> None:
        for path, value in values.items():
            self.session.draft.set(path, value)
        self._show_anew()

    def take(self, paths: Sequence[Path]) -> None:
        """A Python file is a reward to write and try."""
        for path in paths[:1]:
            self._rewards.take_file(path)

    def shut(self) -> None:
        self._picker.shut()

    def point_out(self) -> bool:
        self._validate()
        self._go_to_fault()
        return bool(self._faults)

    @Slot()
    def _go_to_fault(self) -> None:
        faults = self._faults
        if not (self._environment.go_to_first(faults) or self._rewards.list.go_to_first(faults)):
            self._settings.go_to_first(self._faults)
