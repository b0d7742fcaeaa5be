"""What the model wrote: all completions of the run as a table, one step by its groups, and the prompts over time."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from ui.panes.base import FillingPane
from ui.panes.rollouts.by_step.step_view import StepView
from ui.panes.rollouts.completion_desk import CompletionDesk
from ui.panes.rollouts.completions_view import CompletionsView
from ui.panes.rollouts.prompts_view import PromptsView
from ui.session import Session
from ui.widgets.basics import column, row
from ui.widgets.segmented import Segmented

VIEWS = (("step", "By Step"), ("completions", "Completions"), ("prompts", "Prompts"))


class RolloutsPane(FillingPane):
    """Three views of the completions of the shown run."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "rollouts",
            "No completions yet",
            "While a run trains, every prompt and the answers sampled for it appear here with their rewards. "
            "Reading them is the best way to see what the model learns.",
        )
        self._folder: Path | None = None
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=12)
        layout.setContentsMargins(20, 16, 20, 16)
        bar = row(spacing=10)
        self.views = Segmented(VIEWS, page, "View")
        self.views.chosen.connect(self.show_view)
        bar.addWidget(self.views)
        bar.addStretch(1)
        layout.addLayout(bar)
        self.desk = CompletionDesk(self)
        self.desk.failed.connect(self._say_error)
        self.by_step = StepView(session, self.desk, page)
        self.completions = CompletionsView(self.desk, session.cursor, page)
        self.prompts = PromptsView(self.desk, page)
        self._stack = QStackedWidget(page)
        for view in (self.by_step, self.completions, self.prompts):
            self._stack.addWidget(view)
        layout.addWidget(self._stack, 1)
        self.completions.prompt_wanted.connect(self._show_prompt)
        self.completions.playground_wanted.connect(self._try_prompt)
        self.completions.told.connect(self._say)
        self.prompts.told.connect(self._say)
        self.prompts.written.connect(self._open_data)
        session.shown_changed.connect(self._another_run)

    def refresh(self) -> None:
        """Draw what the shown run wrote since the last time."""
        state = self.session.shown
        self.show_content(bool(state.rollouts.by_step))
        if not state.rollouts.by_step:
            return
        if self.session.shown_folder != self._folder:
            self._folder = self.session.shown_folder
            self.desk.open(self._folder)
        self.desk.refresh()
        if self.views.key == "step":
            self.by_step.refresh()

    def shut(self) -> None:
        """The window closes: let go of the table's file."""
        self.desk.close()

    @Slot(str)
    def show_view(self, key: str) -> None:
        """One of the three, brought up to date."""
        self.views.choose(key)
        self._stack.setCurrentIndex([name for name, _ in VIEWS].index(key))
        self.refresh()
        if key == "completions":
            self.completions.ask()
        elif key == "prompts":
            self.prompts.refresh()
        self.turned_over.emit()

    @Slot()
    def _another_run(self) -> None:
        if self.isVisible():
            self.refresh()

    @Slot(int)
    def _show_prompt(self, number: int) -> None:
        self.show_view("prompts")
        self.prompts.show_row(number)

    @Slot(str)
    def _try_prompt(self, prompt: str) -> None:
        if self._folder is not None:
            self.ask("playground", self._folder, text=prompt)

    @Slot(object)
    def _open_data(self, folder: Path) -> None:
        self.ask("data", folder)

    @Slot(str)
    def _say_error(self, sentence: str) -> None:
        self._say("error", sentence)

    @Slot(str, str)
    def _say(self, level: str, sentence: str) -> None:
        self.session.told.emit(level, sentence, "")
