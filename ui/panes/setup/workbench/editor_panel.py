"""The Python file of a reward: written, opened, dropped, saved; looked at as soon as the keyboard rests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.paths import user_path
from droid_tune.trial_report import LookedAt
from ui.engine_worker import EngineDoor
from ui.frame.drops import local_paths
from ui.panes.setup.workbench.code_editor import CodeEditor
from ui.panes.setup.workbench.reward_text import ChangedElsewhere, RewardText
from ui.panes.setup.workbench.text_look import TextLook
from ui.widgets.basics import button, column, label, prose, row
from ui.widgets.notice import NoticeStack
from ui.widgets.restyling import restyle

PYTHON_FILES = "Python (*.py)"
OVERWRITE, READ_AGAIN = "Overwrite", "Read Again"
SAVE_FIRST, DISCARD = "Save", "Do Not Save"


class EditorPanel(QFrame):
    """`filed` tells the path of the file that the reward is in now, `edited` that the text is another, `looked` whether it
    can be used."""

    filed = Signal(str)
    edited = Signal()
    looked = Signal(bool)

    def __init__(self, engine: EngineDoor, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "page")
        self.setAcceptDrops(True)
        self._file = RewardText(None, "")
        self._function = ""
        self._shown = ""  # what the disk holds, as the field shows it
        self._seen = ""  # the text that was told of last: colouring it is no change
        self.ready = False
        layout = column(self, spacing=6)
        layout.addLayout(self._bar())
        self.notices = NoticeStack(self, most=1)
        layout.addWidget(self.notices)
        self.code = CodeEditor(self)
        layout.addWidget(self.code, 1)
        self._said = prose("", "small", parent=self)
        layout.addWidget(self._said)
        self._look = TextLook(engine, self._asked_about, self)
        self._look.found.connect(self._show_look)
        self.code.textChanged.connect(self._changed)

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=8)
        self._name = label("", "strong", parent=self)
        self._edited = label("Edited", "caption", parent=self)
        self._edited.hide()
        bar.addWidget(self._name)
        bar.addWidget(self._edited)
        bar.addStretch(1)
        for text, act, help_text in (
            ("New", self.new, "Begin with the template"),
            ("Choose…", self.choose, "Open a Python file (or drop one here)"),
            ("Save", self.save, "Write the file"),
        ):
            made = button(text, "compact", parent=self, help=help_text)
            made.setAutoDefault(False)
            made.clicked.connect(act)
            bar.addWidget(made)
        return bar

    # --- files --------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """As it stands in the field."""
        return self.code.toPlainText()

    @property
    def place(self) -> str:
        """The path under which the text is tried."""
        return self._file.place

    @property
    def unsaved(self) -> bool:
        """Whether the disk does not hold the text."""
        return self.text != self._shown

    def open_path(self, path: str, function: str = "") -> None:
        """Show the file of a reward; the template where it names none."""
        self._function = function
        if not path:
            self._show(RewardText.from_template())
            return
        try:
            self._show(RewardText.opened(user_path(path)))
        except UserError as error:
            self._show(RewardText.from_template())
            self._say_fault(error)

    def _show(self, file: RewardText) -> None:
        self._file = file
        self.notices.clear()
        self.code.show_text(file.saved)
        self._shown = self.text  # the field knows one kind of line end
        self._name.setText(words.literal(file.name))
        self._name.setToolTip(str(file.path or ""))
        self._changed()
        self._look.look()

    @Slot()
    def new(self) -> None:
        """Begin with the template; a text that is not saved is asked about."""
        self.leaving(partial(self._show, RewardText.from_template()))

    @Slot()
    def choose(self) -> None:
        """Ask for a file and open it."""
        start = str(self._file.path.parent if self._file.path else Path.home())
        path, _ = QFileDialog.getOpenFileName(self, "Choose a Reward", start, PYTHON_FILES)
        if path:
            self.leaving(partial(self.take, Path(path)))

    def take(self, path: Path) -> None:
        """Open a file, and make it the reward's."""
        try:
            self._show(RewardText.opened(path))
        except UserError as error:
            self._say_fault(error)
            return
        self.filed.emit(str(path))

    @Slot()
    def save(self) -> bool:
        """Write the file, or ask where; whether it is on the disk now. What changed elsewhere is never overwritten unseen."""
        if self._file.path is None:
            start = str(Path.home() / "my_reward.py")
            path, _ = QFileDialog.getSaveFileName(self, "Save the Reward", start, PYTHON_FILES)
            return bool(path) and self._written(partial(self._file.save_as, Path(path)))
        try:
            return self._written(self._file.save)
        except ChangedElsewhere:
            self._ask_about_other()
            return False

    def _written(self, write: Callable[[str], object]) -> bool:
        """Whether the text went to the disk; with the line ends of its file."""
        text = self.text.replace("\n", "\r\n") if "\r\n" in self._file.saved else self.text
        try:
            write(text)
        except UserError as error:
            self._say_fault(error)
            return False
        return self._saved()

    def _say_fault(self, error: UserError) -> None:
        self.notices.add("error", words.literal(str(error)))

    def _saved(self) -> bool:
        self.notices.clear()
        self._shown = self.text
        self._name.setText(words.literal(self._file.name))
        self._name.setToolTip(str(self._file.path or ""))
        self._changed()
        self.filed.emit(str(self._file.path))
        return True

    def _ask_about_other(self) -> None:
        said = f"{words.literal(self._file.name)} was changed by another program since it was read."
        help_text = "Overwrite it with what stands here, or read it again and lose what stands here."
        bar = self.notices.add("warning", said, help_text, actions=(READ_AGAIN, OVERWRITE))
        bar.chosen.connect(self._answer_about_other)

    @Slot(str)
    def _answer_about_other(self, action: str) -> None:
        assert self._file.path is not None
        if action == READ_AGAIN:
            self.open_path(str(self._file.path), self._function)
            return
        self._written(partial(self._file.save, over=True))

    def leaving(self, go: Callable[[], object]) -> None:
        """Do what leaves this text, at once or after the question whether it is to be saved."""
        if not self.unsaved:
            go()
            return
        self.notices.clear()
        said = f"{words.literal(self._file.name)} is not saved."
        bar = self.notices.add("warning", said, actions=(SAVE_FIRST, DISCARD))
        bar.chosen.connect(partial(self._answer_leaving, go))

    def _answer_leaving(self, go: Callable[[], object], action: str) -> None:
        if action == DISCARD:
            self._shown = self.text
            go()
        elif self.save():
            go()

    # --- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self._dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = self._dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self.leaving(partial(self.take, path))

    def _dropped(self, event: QDropEvent) -> Path | None:
        paths = local_paths(event.mimeData())
        return paths[0] if len(paths) == 1 and paths[0].suffix == ".py" else None

    # --- looking ------------------------------------------------------------------------------------------------

    def _asked_about(self) -> tuple[str, str, str]:
        return self.place, self.text, self._function

    @Slot()
    def _changed(self) -> None:
        self._edited.setVisible(self.unsaved)
        if self.text == self._seen:
            return
        self._seen = self.text
        self.code.mark_line(0)
        self._look.look_soon()
        self.edited.emit()

    def shut(self) -> None:
        """The sheet closes: nobody waits for a look any more."""
        self._look.stop()

    @Slot(object)
    def _show_look(self, found: LookedAt) -> None:
        self.ready = found.ok
        self.code.mark_line(found.line)
        restyle(self._said, "role", "small" if found.ok else "fault")
        self._said.setText(words.literal(found.sentence))
        self.looked.emit(found.ok)
