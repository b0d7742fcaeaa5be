"""Ask the models something: as it was before training, as it is now, and others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from droid_tune import words
from ui.panes.base import FillingPane
from ui.panes.playground.first_questions import Suggestions
from ui.panes.playground.prompt_field import PromptField
from ui.panes.playground.question_and_answers import Exchange
from ui.panes.playground.whom_to_ask import Asking
from ui.session import Session
from ui.widgets.basics import Page, button, column, prose, row, scrolling
from ui.widgets.notice import NoticeStack
from ui.work.playground_thread import PlaygroundThread

if TYPE_CHECKING:
    from droid_tune.trial_report import AnswerVerdict
    from ui.panes.playground.answer_column import AnswerColumn


TRAINING = "A run is training and has the memory. Ask once it has ended or is stopped."
WAITING = (
    "Waiting until what uses a model now has ended: a check, rewards that are tried, or a run that is saved."
)
GIVEN_WAY = "Not answered: a run began to train. Ask again once it has ended."


class PlaygroundPane(FillingPane):
    """A thread of its own holds the models between questions; it is closed before a run trains."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "playground",
            "Nothing to talk to yet",
            "Once a run has saved its first checkpoint, ask the model here and compare its answers with those it "
            "gave before training.",
        )
        self._thread: PlaygroundThread | None = None
        self._answers: list[AnswerColumn] = []  # to the newest question
        self._wanted = ""
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self.asking = Asking(page)
        self.asking.run_chosen.connect(self._show_prompts)
        self.asking.prompt_picked.connect(self.take_text)
        layout.addWidget(self.asking)
        self._notices = NoticeStack(page, most=2)
        layout.addWidget(self._notices)
        layout.addWidget(self._make_talk(page), 1)
        self._standing = prose("", "secondary", parent=page)
        layout.addWidget(self._standing)
        layout.addLayout(self._input(page))
        session.runs_changed.connect(self._runs_changed)
        session.life_changed.connect(self._life)
        self._show_runs()
        self._life()

    def _make_talk(self, page: QWidget) -> QWidget:
        talk = Page(page)
        self._talk = column(talk, spacing=12)
        self._talk.setContentsMargins(0, 4, 6, 4)
        self._hint = Suggestions(talk)
        self._hint.wanted.connect(self._ask_at_once)
        self._hint.unread.connect(self._say_unread)
        self._talk.addWidget(self._hint)
        self._talk.addStretch(1)
        self._area = scrolling(talk, page)
        self._area.verticalScrollBar().rangeChanged.connect(self._scroll_down)
        return self._area

    def _input(self, page: QWidget) -> QHBoxLayout:
        bar = row(spacing=8)
        self._prompt = PromptField(page)
        self._prompt.asked.connect(self._send)
        self._ask = button("Ask", "primary", parent=page, icon="send")
        self._ask.clicked.connect(self._send)
        bar.addWidget(self._prompt, 1)
        bar.addWidget(self._ask, 0, Qt.AlignmentFlag.AlignBottom)
        return bar

    # --- what others may ask ------------------------------------------------------------------------------------

    def take(self, paths: Sequence[Path]) -> None:
        """Talk to the result of this run."""
        self._wanted = str(paths[0])
        self._show_runs()

    def take_text(self, text: str) -> None:
        """A prompt to ask, which can be changed first."""
        self._prompt.setPlainText(text)
        self._prompt.setFocus()

    def shut(self) -> None:
        """The window closes, and the thread with it."""
        self._let_go()

    def _let_go(self) -> None:
        """A run needs the memory: end the thread within a token or so, without waiting for it."""
        if self._thread is not None:
            self._thread.disconnect(self)
            self._thread.let_go()
            self._thread = None
            self._leave_unanswered(GIVEN_WAY)

    # --- the runs -----------------------------------------------------------------------------------------------

    @Slot()
    def _runs_changed(self) -> None:
        self.when_seen(self._show_runs)

    def _show_runs(self) -> None:
        usable = [run for run in self.session.runs if run.step > 0 and run.state != "running"]
        self.show_content(bool(usable))
        self.asking.offer(usable, self._wanted)
        self._wanted = ""

    @Slot()
    def _show_prompts(self) -> None:
        folder = self.asking.folder
        if folder is not None and self._hint.isVisibleTo(self):
            self._hint.show_run(folder)

    @Slot(str)
    def _say_unread(self, sentence: str) -> None:
        said = f"The prompts of this run could not be read: {words.literal(sentence)}"
        self._notices.add("warning", said, "Any other question can be asked all the same.")

    @Slot()
    def _life(self) -> None:
        training = self.session.training
        if training:
            self._let_go()
        self._ask.setEnabled(not training)
        self._say_standing(TRAINING if training else "")

    # --- asking and being answered ------------------------------------------------------------------------------

    @Slot(str)
    def _ask_at_once(self, prompt: str) -> None:
        self._prompt.setPlainText(prompt)
        self._prompt.setFocus()  # the button that was pressed goes, and Train would be next
        self._send()

    @Slot()
    def _send(self) -> None:
        prompt, folder = self._prompt.toPlainText().strip(), self.asking.folder
        if not prompt or folder is None or not self._ask.isEnabled():
            return
        question = self.asking.question(folder, prompt)
        self._prompt.clear()
        self._hint.hide()
        exchange = Exchange(question, self.asking.names, self)
        self._answers = exchange.answers
        self._talk.insertWidget(self._talk.count() - 1, exchange)
        self._ask.setEnabled(False)
        if self._thread is None:
            self._thread = self._begun()
        self._thread.ask(question)

    def _begun(self) -> PlaygroundThread:
        made = PlaygroundThread(self.session.engine, self)
        made.piece.connect(self._piece)
        made.replied.connect(self._replied)
        made.judged.connect(self._judged)
        made.failed.connect(self._failed)
        made.waits.connect(self._waits)
        made.taken.connect(self._goes_on)
        made.answered.connect(self._answered)
        made.start()
        return made

    @Slot(int, int, str)
    def _piece(self, voice: int, sample: int, text: str) -> None:
        self._answers[voice].parts[sample].add(text)

    @Slot(int, int, object)
    def _replied(self, voice: int, sample: int, reply: Any) -> None:
        self._answers[voice].parts[sample].finish(reply.text, reply.turns, reply.aside)

    @Slot(int, list)
    def _judged(self, voice: int, verdicts: list[AnswerVerdict]) -> None:
        self._answers[voice].judge(verdicts)

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        self._notices.add("error", sentence)

    @Slot()
    def _waits(self) -> None:
        self._say_standing(WAITING)

    @Slot()
    def _goes_on(self) -> None:
        self._say_standing("")

    @Slot()
    def _answered(self) -> None:
        self._leave_unanswered("Not answered.")
        self._say_standing("")
        self._ask.setEnabled(not self.session.training)

    def _leave_unanswered(self, why: str) -> None:
        """What was not answered of the newest question will not be."""
        for answer in self._answers:
            for part in answer.parts:
                part.give_up(why)

    def _say_standing(self, sentence: str) -> None:
        """What keeps a question from being answered now."""
        self._standing.setText(sentence)
        self._standing.setVisible(bool(sentence))

    @Slot(int, int)
    def _scroll_down(self, low: int, high: int) -> None:
        self._area.verticalScrollBar().setValue(high)
