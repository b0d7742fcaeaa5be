"""Ask the models something: as it was before training, as it is now, and others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QPlainTextEdit, QSpinBox, QWidget

from droid_tune import words
from droid_tune.events import RolloutGroup
from droid_tune.paths import RunPaths
from droid_tune.runs.log import read_events
from ui.background import Task
from ui.panes.base import FillingPane
from ui.panes.playground.answer_column import AnswerColumn
from ui.panes.playground.row_picker import RowPicker
from ui.panes.playground.voice_picker import LETTERS, VoicePicker, fill_runs, title_of
from ui.session import Session
from ui.widgets.basics import Page, button, clear, column, frame, label, row, scrolling, selectable
from ui.widgets.checkpoint_picker import CheckpointPicker
from ui.widgets.notice import NoticeStack
from ui.widgets.quiet_combo import QuietCombo
from ui.work.playground_thread import PlaygroundQuestion, PlaygroundThread

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary
    from droid_tune.trial_report import AnswerVerdict

TEMPERATURES = (
    (0.0, "Greedy"),
    (0.7, "Temperature 0.7"),
    (1.0, "Temperature 1"),
)
LENGTHS = (64, 128, 256, 512, 1024)
SAMPLES = (1, 2, 4, 8)
#: columns of answers at most, and those that are always there
MOST_COLUMNS, FIRST_COLUMNS = 4, 2


class PromptField(QPlainTextEdit):
    """Return asks, Shift-Return breaks the line."""

    asked = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain = not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and plain:
            self.asked.emit()
        else:
            super().keyPressEvent(event)


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
        self._reading: Task | None = None  # of the newest run's prompts
        self._answers: list[AnswerColumn] = []
        self._others: list[VoicePicker] = []
        self._wanted = ""
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        layout.addLayout(self._choices(page))
        self._beside = column(spacing=6)
        layout.addLayout(self._beside)
        layout.addLayout(self._ways(page))
        self._notices = NoticeStack(page, most=2)
        layout.addWidget(self._notices)
        talk = Page(page)
        self._talk = column(talk, spacing=12)
        self._talk.setContentsMargins(0, 4, 6, 4)
        self._hint = self._suggestions(talk)
        self._talk.addWidget(self._hint)
        self._talk.addStretch(1)
        self._area = scrolling(talk, page)
        self._area.verticalScrollBar().rangeChanged.connect(self._scroll_down)
        layout.addWidget(self._area, 1)
        layout.addLayout(self._input(page))
        session.runs_changed.connect(self._show_runs)
        session.life_changed.connect(self._life)
        self._show_runs()

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

    # --- parts --------------------------------------------------------------------------------------------------

    def _choices(self, page: QWidget) -> QHBoxLayout:
        bar = row(spacing=10)
        self._runs = QuietCombo(page)
        self._runs.setAccessibleName("Trained model")
        self._runs.activated.connect(self._show_prompts)
        self._checkpoint = CheckpointPicker(page)
        self._checkpoint.hide()
        self._temperature = QuietCombo(page)
        self._temperature.setAccessibleName("Sampling")
        self._temperature.setProperty("remembered", True)
        for value, title in TEMPERATURES:
            self._temperature.addItem(title, value)
        self._length = QuietCombo(page)
        self._length.setAccessibleName("Longest answer")
        self._length.setProperty("remembered", True)
        for tokens in LENGTHS:
            self._length.addItem(f"up to {words.count(tokens, 'token')}", tokens)
        self._length.setCurrentIndex(1)
        bar.addWidget(label("Compare", "strong", parent=page))
        for combo, share in (
            (self._runs, 4),
            (self._checkpoint, 4),
            (self._temperature, 4),
            (self._length, 3),
        ):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(LETTERS)
            bar.addWidget(combo, share)
        return bar

    def _ways(self, page: QWidget) -> QHBoxLayout:
        """Which row is asked, how often, and by which chance."""
        bar = row(spacing=10)
        self._more = button(
            "Add Column", parent=page, icon="plus", help="Another run or checkpoint beside these"
        )
        self._more.clicked.connect(self.add_column)
        self._row = RowPicker(page)
        self._row.picked.connect(self.take_text)
        self._samples = QuietCombo(page)
        self._samples.setAccessibleName("Answers of each model")
        self._samples.setProperty("remembered", True)
        for count in SAMPLES:
            self._samples.addItem(words.count(count, "answer"), count)
        self._seed = QSpinBox(page)
        self._seed.setRange(0, 999_999)
        self._seed.setPrefix("seed ")
        self._seed.setAccessibleName("Seed")
        self._seed.setToolTip("The same seed draws the same answers again; every model gets the same")
        bar.addWidget(self._more)
        bar.addWidget(self._row, 1)
        bar.addWidget(self._samples)
        bar.addWidget(self._seed)
        self._temperature.currentIndexChanged.connect(self._show_chance)
        self._show_chance()
        return bar

    @Slot()
    def _show_chance(self) -> None:
        """A greedy answer is always the same one."""
        drawn = float(self._temperature.currentData() or 0) > 0
        self._samples.setEnabled(drawn)
        self._seed.setEnabled(drawn)

    @Slot()
    def add_column(self) -> None:
        """Another run or checkpoint beside these, up to `MOST_COLUMNS`."""
        made = VoicePicker(self)
        made.removed.connect(partial(self._drop_column, made))
        made.offer(self._usable())
        made.runs.setCurrentIndex(min(len(self._others) + 1, made.runs.count() - 1))
        self._others.append(made)
        self._beside.addWidget(made)
        self._more.setEnabled(len(self._others) + FIRST_COLUMNS < MOST_COLUMNS)

    def _drop_column(self, gone: VoicePicker) -> None:
        self._others.remove(gone)
        self._beside.removeWidget(gone)
        gone.hide()
        gone.deleteLater()
        self._more.setEnabled(True)

    def _suggestions(self, parent: QWidget) -> QFrame:
        """Before the first question: what to do here, and prompts that the run has seen."""
        box = frame("inset", parent)
        layout = column(box, spacing=8)
        layout.setContentsMargins(18, 14, 18, 16)
        layout.addWidget(label("What did the model learn?", "heading", parent=box))
        words = (
            "Ask something: the model as it was before training answers on the left, the trained one beside it. "
            "Held-out rows tell whether an answer is right."
        )
        layout.addWidget(label(words, "secondary", parent=box, wrap=True))
        self._prompts = column(spacing=6)
        layout.addLayout(self._prompts)
        return box

    @Slot()
    def _show_prompts(self) -> None:
        folder = self._runs.currentData()
        for run in self.session.runs:
            if str(run.folder) == folder:
                self._checkpoint.show_run(run)
        if folder:
            self._row.show_run(Path(folder))
        if folder and self._hint.isVisibleTo(self):
            if self._reading is not None:
                self._reading.drop()
            self._reading = Task(
                partial(first_prompts, Path(folder)), self, done=self._fill_prompts, failed=self._say_unread
            ).start()

    def _say_unread(self, sentence: str) -> None:
        self._fill_prompts([])
        said = f"The prompts of this run could not be read: {words.literal(sentence)}"
        self._notices.add("warning", said, "Any other question can be asked all the same.")

    def _fill_prompts(self, prompts: list[str]) -> None:
        clear(self._prompts)
        for prompt in prompts:
            line = words.literal(prompt).replace("\n", " ")
            shown = button(line if len(line) <= 90 else line[:90] + "…", parent=self._hint)
            shown.setProperty("prompt", prompt)
            shown.clicked.connect(self._use_prompt)
            self._prompts.addWidget(shown, 0, Qt.AlignmentFlag.AlignLeft)

    @Slot()
    def _use_prompt(self) -> None:
        pressed = self.sender()
        self._prompt.setPlainText(str(pressed.property("prompt")))
        self._send()

    def _input(self, page: QWidget) -> QHBoxLayout:
        bar = row(spacing=8)
        self._prompt = PromptField(page)
        self._prompt.setPlaceholderText("Ask something (Return sends, Shift-Return breaks the line)")
        self._prompt.setAccessibleName("Your question")
        self._prompt.setFixedHeight(64)
        self._prompt.asked.connect(self._send)
        self._ask = button("Ask", "primary", parent=page, icon="send")
        self._ask.clicked.connect(self._send)
        bar.addWidget(self._prompt, 1)
        bar.addWidget(self._ask, 0, Qt.AlignmentFlag.AlignBottom)
        return bar

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _show_runs(self) -> None:
        usable = self._usable()
        self.show_content(bool(usable))
        fill_runs(self._runs, usable, self._wanted or self._runs.currentData())
        for other in self._others:
            other.offer(usable)
        self._wanted = ""
        self._show_prompts()

    def _usable(self) -> list[RunSummary]:
        return [run for run in self.session.runs if run.step > 0 and run.state != "running"]

    @Slot()
    def _life(self) -> None:
        if self.session.training:
            self._let_go()
            self._ask.setEnabled(False)
            self._ask.setToolTip("A run is training and needs the memory; ask again when it has ended")
        else:
            self._ask.setEnabled(True)
            self._ask.setToolTip("")

    @Slot()
    def _send(self) -> None:
        prompt, folder = self._prompt.toPlainText().strip(), self._runs.currentData()
        if not prompt or not folder or not self._ask.isEnabled():
            return
        question = self._question(Path(folder), prompt)
        self._prompt.clear()
        self._hint.hide()
        self._add_exchange(question)
        if self._thread is None:
            self._thread = PlaygroundThread(self.session.engine, self)
            self._thread.piece.connect(self._piece)
            self._thread.replied.connect(self._replied)
            self._thread.judged.connect(self._judged)
            self._thread.failed.connect(self._failed)
            self._thread.answered.connect(self._answered)
            self._thread.start()
        self._ask.setEnabled(False)
        self._thread.ask(question)

    def _question(self, folder: Path, prompt: str) -> PlaygroundQuestion:
        temperature = float(self._temperature.currentData())
        return PlaygroundQuestion(
            folder,
            prompt,
            temperature,
            int(self._length.currentData()),
            self._checkpoint.choice,
            others=tuple(other.weights for other in self._others if other.weights is not None),
            row=self._row.row_of(prompt),
            samples=int(self._samples.currentData()) if temperature else 1,
            seed=self._seed.value(),
        )

    def _add_exchange(self, question: PlaygroundQuestion) -> None:
        asked = frame("inset", self)
        box = column(asked, spacing=4)
        box.setContentsMargins(14, 10, 14, 10)
        box.addWidget(selectable(label(words.literal(question.prompt), parent=asked, wrap=True)))
        answer = None if question.row is None else question.row.get("answer")
        if answer is not None:
            right = f"Right answer: {words.literal(str(answer))}"
            box.addWidget(selectable(label(right, "small", parent=asked, wrap=True)))
        self._talk.insertWidget(self._talk.count() - 1, asked)
        sides = row(spacing=12)
        holder = QWidget(self)
        holder.setLayout(sides)
        names = ["Before training", title_of(self._runs, self._checkpoint)]
        names += [other.title for other in self._others if other.weights is not None]
        drawn = question.temperature > 0
        seeds = [question.seed + place if drawn else None for place in range(question.samples)]
        self._answers = [AnswerColumn(name, seeds, holder) for name in names]
        for answers in self._answers:
            sides.addWidget(answers, 1)
        self._talk.insertWidget(self._talk.count() - 1, holder)

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
    def _answered(self) -> None:
        self._ask.setEnabled(not self.session.training)

    @Slot(int, int)
    def _scroll_down(self, low: int, high: int) -> None:
        self._area.verticalScrollBar().setValue(high)


def first_prompts(folder: Path, most: int = 3) -> list[str]:
    """The first prompts of a run that differ, from its rollouts."""
    found: dict[str, None] = {}
    for event in read_events(RunPaths(folder).rollouts):
        if isinstance(event, RolloutGroup):
            found[event.prompt.strip()] = None
        if len(found) == most:
            break
    return list(found)
