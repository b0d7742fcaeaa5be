"""A pane that is none of the window's own: what a newcomer would write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ui.panes.base import Pane


class NotesPane(Pane):
    """Remembers what it was handed."""

    taken: list[Path]

    def take(self, paths: Sequence[Path]) -> None:
        """Keep them for the test to look at."""
        self.taken = list(paths)
