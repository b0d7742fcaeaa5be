"""The reward files of the runs, as they were kept with each: how they differ from the first run's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.report.comparing import ComparedRun, compared_code
from ui.widgets.texts.plain_view import Piece, PlainView

#: the colour of a line by its first sign
TONES = {"+": ("good", "good_soft"), "-": ("bad", "bad_soft"), "@": ("secondary", "")}


class ComparedCode(PlainView):
    """Told apart by + and - as well as by colour."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("How the reward code differs", parent)

    def show_runs(self, runs: Sequence[ComparedRun], names: Sequence[str]) -> None:
        """Every reward file that one of them has."""
        pieces = list(pieces_of(runs, names))
        none = "None of these runs has a reward file; their rewards are the built-in ones, which Settings compare."
        self.show_pieces(pieces or [Piece(none, "secondary")])


def pieces_of(runs: Sequence[ComparedRun], names: Sequence[str]) -> Iterator[Piece]:
    """The differences with a heading each; a file that is the same in two runs is said to be."""
    for found in compared_code(runs):
        title = f"{found.reward}: {names[0]} → {names[found.run]}\n"
        yield Piece(title, bold=True)
        if not found.lines:
            yield Piece("The same text.\n", "secondary")
        for line in found.lines:
            tone, ground = TONES.get(line[:1], ("", ""))
            yield Piece(words.literal(line) + "\n", tone, ground)
        yield Piece("\n")
