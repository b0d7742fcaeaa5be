"""One completion whole: its prompt, its text with what was read in it, and beside each part of the reward why."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QWidget

from droid_tune import words
from droid_tune.events import Completion, RolloutGroup, TokenTrace
from droid_tune.metrics import describe
from droid_tune.runs.completions.asking import CompletionLine
from ui.panes.rollouts.marked_text import marked, tinted
from ui.theme import current_theme
from ui.widgets.basics import button, clear, column, label, row, selectable
from ui.widgets.episode_view import EpisodeView, cut_in_words, episode_in_words
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.state_chip import Chip, reward_tone
from ui.widgets.texts.long_text import LONGEST
from ui.widgets.texts.styled_text import with_sought
from ui.widgets.texts.text_page import TextPage

#: what the tokens of a completion can be tinted by, where they were recorded
TINTS = (
    ("No tint", ""),
    ("Change", "change"),
    ("Change × advantage", "weighted"),
    ("Entropy", "entropy"),
)


class CompletionDetail(QWidget):
    """`playground_wanted` tells the prompt, `prompt_wanted` the data row whose visits are to be seen."""

    playground_wanted = Signal(str)
    prompt_wanted = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._line: CompletionLine | None = None
        self._group: RolloutGroup | None = None
        self._trace: TokenTrace | None = None
        self._sought = ""
        layout = column(self, spacing=10)
        layout.setContentsMargins(0, 0, 6, 0)
        bar = row(spacing=6)
        self._where = label("", "strong", parent=self)
        self._copy = button("Copy", parent=self, help="Copy the completion")
        self._try = button("Try", parent=self, help="Ask the playground the same prompt")
        self._visits = button("This Prompt", parent=self, help="All visits of this prompt over time")
        self._copy.clicked.connect(self.copy)
        self._try.clicked.connect(self._ask_playground)
        self._visits.clicked.connect(self._ask_visits)
        for part in (self._copy, self._try, self._visits):
            bar.addWidget(part)
        bar.addStretch(1)
        layout.addWidget(self._where)
        layout.addLayout(bar)
        self._prompt = TextPage("Prompt", self)
        self._rewards = QGridLayout()
        self._rewards.setHorizontalSpacing(10)
        self._rewards.setColumnStretch(1, 1)
        self._text = TextPage("Completion", self)
        layout.addWidget(label("Prompt", "caption", parent=self))
        layout.addWidget(self._prompt)
        layout.addLayout(self._rewards)
        head = row(spacing=8)
        head.addWidget(label("Completion", "caption", parent=self))
        head.addStretch(1)
        self._tint = QuietCombo(self)
        self._tint.setAccessibleName("What the tokens are tinted by")
        self._tint.setToolTip(
            "What the update did: how much likelier each token became, that times the advantage (green: the way it was meant "
            "to), or how undecided the model is there"
        )
        for title, key in TINTS:
            self._tint.addItem(title, key)
        self._tint.currentIndexChanged.connect(self._draw)
        head.addWidget(self._tint)
        layout.addLayout(head)
        layout.addWidget(self._text)
        self._turns = column()
        layout.addLayout(self._turns)
        layout.addStretch(1)
        current_theme().changed.connect(self._draw)
        self._draw()

    def show_completion(
        self,
        line: CompletionLine | None,
        group: RolloutGroup | None,
        trace: TokenTrace | None = None,
        sought: str = "",
    ) -> None:
        """The line of the table, its group as the file tells it, its tokens where they were recorded, and the text that was
        looked for, which stands out."""
        if (line, group, trace, sought) == (self._line, self._group, self._trace, self._sought):
            return
        self._line, self._group, self._trace, self._sought = line, group, trace, sought
        self._draw()

    @property
    def one(self) -> Completion | None:
        """The completion as it was told; None where nothing is shown or its group cannot be read."""
        known = self._line is not None and self._group is not None
        return self._group.completions[self._line.member] if known else None  # pyright: ignore[reportOptionalMemberAccess]

    @Slot()
    def copy(self) -> None:
        """The whole text to the clipboard."""
        if self._line is not None:
            QGuiApplication.clipboard().setText(self._line.text)

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _draw(self) -> None:
        line, one = self._line, self.one
        for part in (self._copy, self._try):
            part.setEnabled(line is not None)
        self._visits.setEnabled(line is not None and line.row is not None)
        clear(self._rewards)
        clear(self._turns)
        if line is None:
            self._where.setText("No completion chosen")
            self._prompt.show_text("")
            self._text.show_text("")
            self._tint.hide()
            return
        self._where.setText(_place(line, one))
        answer = self._group.answer if self._group is not None else None
        expected = f"\n\nExpected answer: {answer}" if answer is not None else ""
        tokens = current_theme().tokens
        prompt = with_sought(line.prompt[:LONGEST], self._sought, tokens)
        self._prompt.show_marked(prompt + with_sought(expected, "", tokens))
        self._show_rewards(line, one)
        reasons = one.reasons if one is not None else {}
        self._tint.setVisible(self._trace is not None)
        tinting = self._trace is not None and self._tint.currentData()
        played = one.turns if one is not None and not tinting else []
        self._text.setVisible(not played)
        if played:
            self._turns.addWidget(EpisodeView(played, self, self._sought))
        if self._trace is not None and self._tint.currentData():
            self._text.show_marked(tinted(self._trace, self._tint.currentData(), line.advantage or 0.0))
        else:
            self._text.show_marked(marked(line.text[:LONGEST], reasons, current_theme().tokens, self._sought))
        self._text.setAccessibleName(f"Completion, reward {words.metric('reward', line.reward)}")

    def _show_rewards(self, line: CompletionLine, one: Completion | None) -> None:
        reasons = one.reasons if one is not None else {}
        trained = line.advantage is not None
        advantage = (
            "" if line.held_out else ("advantage " if trained else "") + words.advantage(line.advantage)
        )
        told = [("Reward", line.reward, advantage)]
        told += [
            (describe(f"rewards/{name}/mean").label, value, reasons.get(name, ""))
            for name, value in line.parts.items()
            if value is not None or name in reasons
        ]
        for place, (name, value, why) in enumerate(told):
            shown = words.metric("reward", value) if value is not None else "n/a"
            self._rewards.addWidget(Chip(self, f"{name} {shown}", *reward_tone(value)), place, 0)
            self._rewards.addWidget(selectable(label(why, "small", parent=self, wrap=True)), place, 1)

    @Slot()
    def _ask_playground(self) -> None:
        if self._line is not None:
            self.playground_wanted.emit(self._line.prompt)

    @Slot()
    def _ask_visits(self) -> None:
        if self._line is not None and self._line.row is not None:
            self.prompt_wanted.emit(self._line.row)


def _place(line: CompletionLine, one: Completion | None) -> str:
    """The step, how long it is, and what ended it where it did not end by itself."""
    parts = [f"Step {line.step:,}", words.count(line.length, "token")]
    if one is not None and one.turns:
        parts.append(episode_in_words(one.turns))
    if one is not None and one.cut:
        parts.append(cut_in_words(one.cut))
    elif line.cut:
        parts.append("cut off")
    return " · ".join(parts)
