"""How the curves are looked at: which section, over what, how smooth, beside which other run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.panes.monitor.chart_specs import SECTION_TITLES
from ui.widgets.basics import button, column, label, row
from ui.widgets.charting.scale_across import ACROSS, SMOOTHINGS, Across
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.segmented import Segmented

NO_GHOST = "Beside no other run"


class ViewBar(QWidget):
    """Two rows of choices; `changed` when any of them did."""

    changed = Signal()
    ghost_wanted = Signal(object)  # the folder of another run, None for none
    steering_wanted = Signal()
    range_dropped = Signal()

    def __init__(self, smoothing: float, parent: QWidget) -> None:
        super().__init__(parent)
        box = column(self, spacing=8)
        first, second = row(spacing=10), row(spacing=10)
        box.addLayout(first)
        box.addLayout(second)
        self._sections = Segmented(tuple(SECTION_TITLES.items()), self, "Section")
        self.view = Segmented((("charts", "Charts"), ("table", "Table")), self, "View")
        self.steer = button("Steer…", parent=self, help="Change the run while it trains")
        self.steer.clicked.connect(self.steering_wanted)
        first.addWidget(self._sections)
        first.addStretch(1)
        first.addWidget(self.steer)
        first.addWidget(self.view)
        self.smoothing = Segmented(SMOOTHINGS, self, "Smoothing")
        self.smoothing.choose(f"{smoothing:g}")
        self._across = QuietCombo(self)
        self._across.setAccessibleName("What the curves are drawn over")
        for key, title in ACROSS:
            self._across.addItem(title, key)
        self._ghosts = QuietCombo(self)
        self._ghosts.setAccessibleName("Another run beside this one")
        self._ghosts.setMaximumWidth(220)
        self._ghosts.addItem(NO_GHOST, None)
        self._range = button("", "quiet", parent=self, help="Show all steps again")
        self._range.clicked.connect(self.range_dropped)
        self._range.hide()
        self._pointed = label("", "small", parent=self)
        for part in (self.smoothing, self._across, self._ghosts, self._range):
            second.addWidget(part)
        second.addStretch(1)
        second.addWidget(self._pointed)
        for choice in (self._sections, self.view, self.smoothing):
            choice.chosen.connect(self._tell)
        self._across.currentIndexChanged.connect(self._tell)
        self._ghosts.activated.connect(self._tell_ghost)

    @property
    def section(self) -> str:
        """The key of the section."""
        return self._sections.key

    @property
    def across(self) -> Across:
        """What the curves are drawn over."""
        return cast(Across, self._across.currentData())

    def allow_sections(self, keys: Sequence[str]) -> None:
        """The sections that the run's method has."""
        for key in SECTION_TITLES:
            self._sections.allow(key, key in keys)
        if self.section not in keys:
            self._sections.choose(keys[0])

    def offer_ghosts(self, runs: Sequence[tuple[str, Path]]) -> None:
        """The other runs by name and folder; a choice that is still there stays."""
        if [self._ghosts.itemData(place) for place in range(1, self._ghosts.count())] == [
            path for _, path in runs
        ]:
            return
        kept = self._ghosts.currentData()
        self._ghosts.clear()
        self._ghosts.addItem(NO_GHOST, None)
        for name, folder in runs:
            self._ghosts.addItem(words.shortened(name, 40), folder)
        self._ghosts.setCurrentIndex(max(0, self._ghosts.findData(kept)))

    def show_choices(self, *, of_charts: bool) -> None:
        """What only charts have is put away where the table is seen, which has every metric."""
        for part in (self._sections, self.smoothing, self._across, self._ghosts, self._pointed):
            part.setVisible(of_charts)

    def show_range(self, ends: tuple[int, int] | None) -> None:
        """Which steps are shown, with a way back to all of them."""
        self._range.setVisible(ends is not None)
        if ends is not None:
            self._range.setText(f"Steps {ends[0]:,} to {ends[1]:,}  ✕")

    def show_pointed(self, step: int | None) -> None:
        """The step that all charts and the completions are turned to."""
        self._pointed.setText("" if step is None else f"At step {step:,}")

    @Slot()
    def _tell(self) -> None:
        self.changed.emit()

    @Slot()
    def _tell_ghost(self) -> None:
        self.ghost_wanted.emit(self._ghosts.currentData())
