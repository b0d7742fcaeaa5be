"""One row whole: its fields, the text that the model sees, the tokens."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.data.formats.base import Row
from ui.engine_worker import EngineDoor
from ui.panes.data.data_job import DataJob
from ui.panes.data.data_reader import in_order, in_use
from ui.panes.data.rows.look import Look
from ui.panes.data.rows.rows_model import whole_text
from ui.panes.data.rows.seen_row import SeenRow, field_pieces, text_pieces, token_pieces, work_for
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.widgets.basics import column, label, row
from ui.widgets.segmented import Segmented
from ui.widgets.texts.plain_view import Piece, PlainView

VIEWS = (("fields", "Fields"), ("prompt", "As the model sees it"), ("tokens", "Tokens"))
THINKING = (("template", "Model's default"), ("on", "Thinking"), ("off", "No thinking"))


class RowDetail(QWidget):
    """`thinking_chosen` tells the switch of templates that can think."""

    thinking_chosen = Signal(str)

    def __init__(self, engine: EngineDoor, desk: TokenizerDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._engine, self._desk = engine, desk
        self._row: Row | None = None
        self._number = 0
        self._look: Look | None = None
        self._seen: SeenRow | None = None
        self._asked: DataJob | None = None
        layout = column(self, spacing=6)
        layout.addLayout(self._bar())
        self._text = PlainView("The chosen row, whole", self)
        self._text.setPlaceholderText("Choose a row to read it whole")
        layout.addWidget(self._text, 1)

    def show_row(self, place: str, chosen: Row | None, number: int = 0) -> None:
        """A row, where it stands, and its number in its split (from 0)."""
        self._row, self._number = chosen, number
        self._forget_seen()
        self._place.setText(place)
        self._draw()

    def show_look(self, look: Look) -> None:
        """Another model, method or system prompt: the same row is seen otherwise."""
        if look != self._look:
            self._look = look
            self._forget_seen()
            self._thinking.choose(look.thinking)
            self._draw()

    def mark(self, text: str) -> None:
        """Let this text stand out, in this row and those that are chosen from now on."""
        self._text.mark(text)

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=10)
        self._view = Segmented(VIEWS, self, "Row")
        self._view.chosen.connect(self._draw)
        self._thinking = Segmented(THINKING, self, "Thinking")
        self._thinking.chosen.connect(self.thinking_chosen)
        self._thinking.hide()
        self._place = label("", "small", parent=self)
        bar.addWidget(self._view)
        bar.addWidget(self._thinking)
        bar.addStretch(1)
        bar.addWidget(self._place)
        return bar

    @Slot()
    def _draw(self) -> None:
        if self._row is None:
            self._text.show_pieces([])
        elif self._view.key == "fields":
            fields = [(name, whole_text(self._row[name])) for name in in_order(in_use(self._row))]
            self._text.show_pieces(field_pieces(fields))
        elif self._seen is None:
            self._ask()
        else:
            pieces = text_pieces if self._view.key == "prompt" else token_pieces
            self._text.show_pieces(pieces(self._seen))
        seen = self._seen if self._view.key != "fields" else None
        self._thinking.setVisible(seen is not None and seen.can_think)
        self._text.setToolTip(seen.said if seen is not None else "")
        if seen is not None:
            self._place.setText(f"{self._place.text().partition(' · ')[0]} · {seen.said}")

    def _forget_seen(self) -> None:
        self._seen = None
        if self._asked is not None:
            self._asked.cancel()

    def _ask(self) -> None:
        if self._look is None or self._row is None:
            return
        self._forget_seen()
        what = "Starting the environment…" if self._look.config else "Reading the model's tokenizer…"
        self._text.show_pieces([Piece(what, "secondary")])
        work = work_for(self._row, self._number, self._look, self._engine)
        self._asked = self._desk.job(
            self._look.model, work, done=self._show_seen, failed=self._say_unread
        ).start()

    def _show_seen(self, seen: SeenRow) -> None:
        self._seen = seen
        self._draw()

    def _say_unread(self, sentence: str) -> None:
        self._text.show_pieces([Piece(words.literal(sentence), "bad")])
