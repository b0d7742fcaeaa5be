"""Prepare a run: model, method, rewards, settings. Draws and changes `session.draft`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.setting_titles import setting_title
from droid_tune.errors import UserError
from ui.background import Task
from ui.form.starting_runs import Start, startable
from ui.frame.first_paint import FIRST_PAINT
from ui.panes.base import Pane
from ui.panes.setup.draft_edits import DraftEdits
from ui.panes.setup.readiness.draft_answers import DraftAnswers
from ui.panes.setup.readiness.draft_faults import faults_of
from ui.panes.setup.readiness.reward_readiness import untried_files
from ui.panes.setup.readiness.run_in_words import run_in_words
from ui.panes.setup.readiness.setup_footer import SetupFooter
from ui.panes.setup.setup_page import SetupPage
from ui.session import Session
from ui.widgets.basics import column, scrolling

log = logging.getLogger(__name__)

#: after typing, before the whole config is validated again
VALIDATE_AFTER_MS = 120


class SetupPane(Pane):
    """Every change goes to the draft at once; faults stand next to their fields; Train is below."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._faults: dict[str, str] = {}
        self._looking: Task | None = None  # for runs to start from
        outer = column(self, spacing=0)
        self.page = SetupPage(session, self)
        outer.addWidget(scrolling(self.page, self), 1)
        self._footer = SetupFooter(self)
        outer.addWidget(self._footer)
        self._answers = DraftAnswers(session, self.page, self._footer, self)
        self.edits = DraftEdits(session, self)
        self._listen()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(VALIDATE_AFTER_MS)
        self._later.timeout.connect(self._validate)
        session.draft_changed.connect(self._show_draft)
        session.runs_changed.connect(self._runs_changed)
        FIRST_PAINT.after(self._make_sections)
        self._show_draft()

    def _listen(self) -> None:
        """To each section of the page, and to its foot."""
        page, footer, edits = self.page, self._footer, self.edits
        page.picker.chosen.connect(edits.choose_model)
        page.data.change_asked.connect(self._ask_for_data)
        page.methods.chosen.connect(edits.choose_method)
        page.environment.chosen.connect(edits.choose_environment)
        page.environment.example_wanted.connect(edits.take_example)
        page.rewards.changed.connect(edits.change_rewards)
        page.rewards.tried.connect(self._validate)
        page.preset.chosen.connect(edits.choose_preset)
        page.name.textEdited.connect(edits.rename)
        page.settings.method_chosen.connect(edits.choose_method)
        page.reset_all_asked.connect(edits.reset_everything)
        for form in (page.environment, page.settings):
            form.edited.connect(edits.edit)
            form.reset.connect(edits.reset)
            form.grown.connect(self._show_values)
        footer.check_asked.connect(self._check_signal)
        footer.fault_asked.connect(self._go_to_fault)
        footer.forecast.applied.connect(edits.apply_remedy)
        footer.forecast.data_asked.connect(self._ask_for_data)
        footer.forecast.trial_asked.connect(page.rewards.try_all)
        for answered in (self._answers.tools.told, self._answers.tools.failed):
            answered.connect(self._validate)
        edits.remade.connect(self._show_method)
        edits.changed.connect(self._show_anew)
        edits.typed.connect(self._typed)

    def _make_sections(self) -> None:
        self.page.settings.add_sections()
        self._show_values()
        self._offer_runs()

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _show_draft(self) -> None:
        draft = self.session.draft
        self.page.picker.show_model(draft.model, self.session.settings.recent_models)
        self.page.data.show_data(draft.data)
        self.page.preset.show_preset(draft.preset)
        self.page.name.setText(draft.name)
        self._show_method()

    @Slot()
    def _show_method(self) -> None:
        """The rewards, and the settings of the method under its own name."""
        method = self.session.draft.method
        self.page.methods.show_method(method)
        self.page.rewards.show_rewards(self.session.draft.rewards)
        self.page.rewards.setVisible(METHOD_CONFIGS[method].samples)
        acts = issubclass(METHOD_CONFIGS[method], PolicyMethodConfig)
        self.page.environment_section.setVisible(acts or bool(self.session.draft.environment))
        self.page.settings.show_method(method)
        self._show_anew()

    @Slot()
    def _show_anew(self) -> None:
        """All values, and what is wrong with them."""
        self._show_values()
        self._validate()

    @Slot()
    def _show_values(self) -> None:
        self.page.settings.show_values(self.session.draft)
        self.page.environment.show_values(self.session.draft)
        self.page.reset_all.setEnabled(bool(self.session.draft.changes()))

    @Slot()
    def _runs_changed(self) -> None:
        self.when_seen(self._offer_runs)

    def _offer_runs(self) -> None:
        """Those that left a result, once their folders were looked at: there may be hundreds."""
        if self._looking is not None:
            self._looking.drop()
        work = partial(startable, list(self.session.runs))
        self._looking = Task(work, self, done=self._keep_startable, failed=log.warning).start()

    def _keep_startable(self, found: list[Start]) -> None:
        self._looking = None
        self.page.settings.offer_runs(found)
        self._validate()

    @Slot()
    def _validate(self) -> None:
        draft = self.session.draft
        self._faults = faults_of(draft)
        samples = METHOD_CONFIGS[draft.method].samples
        self._footer.forecast.show_untried(
            untried_files(draft.rewards, self.session.settings) if samples else []
        )
        self.page.settings.show_faults(self._faults)
        self.page.rewards.show_faults(self._faults)
        self.page.environment.show_faults(self._faults)
        if self._faults:
            self._footer.say_faulty(self._faults_in_words())
            return
        self._footer.say_ready(self._run_in_words())
        if unusable := self._answers.unusable:
            self._footer.say_faulty(unusable)

    def _faults_in_words(self) -> str:
        """The first one, and how many there are."""
        count = len(self._faults)
        path, said = next(iter(self._faults.items()))
        first = f"{setting_title(path, self.session.draft.kinds())}: {said}" if path else said
        return first + (f" {words.count(count, 'setting')} to mend in all." if count > 1 else "")

    def _run_in_words(self) -> str:
        try:
            config = self.session.draft.config()
        except UserError as error:
            return str(error)
        self._answers.ask(config)
        return run_in_words(config)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    @Slot(str)
    def _ask_for_data(self, tool: str = "") -> None:
        self.ask("data", text=tool)

    @Slot()
    def _typed(self) -> None:
        """The memory bar moves with the field; the whole config is validated a moment later."""
        self._show_values()
        with contextlib.suppress(UserError):
            self._answers.ask_memory(self.session.draft.config())
        self._later.start()

    @Slot()
    def _check_signal(self) -> None:
        try:
            config = self.session.draft.config()
        except UserError as error:
            self.session.told.emit("error", str(error), "")
            return
        from ui.panes.setup.check_view import CheckView

        view = CheckView(self.session, config, self.window())
        view.applied.connect(self.edits.apply_remedy)
        view.open()

    def take(self, paths: Sequence[Path]) -> None:
        """A Python file is a reward to write and try."""
        for path in paths[:1]:
            self.page.rewards.take_file(path)

    def shut(self) -> None:
        self.page.picker.shut()

    def point_out(self) -> bool:
        self._validate()
        self._go_to_fault()
        return bool(self._faults)

    @Slot()
    def _go_to_fault(self) -> None:
        faults = self._faults or {"environment": self._answers.unusable}
        if not (self.page.environment.go_to_first(faults) or self.page.rewards.list.go_to_first(faults)):
            self.page.settings.go_to_first(self._faults)
