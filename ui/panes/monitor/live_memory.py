"""The memory of a run as it goes, against what was foretold and what may be used."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from droid_tune.runs.state import RunState
from ui.widgets.basics import column, label
from ui.widgets.memory_bar import BarMark, MemoryBar, Part

PRESSURES = {
    0: "",
    1: "The system is getting short of memory.",
    2: "The system is critically short of memory.",
}


class LiveMemory(QFrame):
    """Hidden until the run's first step."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName("Memory of the run")
        layout = column(self, spacing=6)
        layout.setContentsMargins(14, 10, 14, 10)
        self._bar = MemoryBar(self)
        layout.addWidget(self._bar)
        self._words = label("", "small", parent=self, wrap=True)
        layout.addWidget(self._words)
        self.hide()

    def show_state(self, state: RunState) -> None:
        """Draw the memory in use and the run's peak; hidden where none is known."""
        peak = state.peak_bytes
        self.setVisible(peak > 0 and state.memory is not None)
        if not peak or state.memory is None:
            return
        parts, marks, total = memory_of(state, peak)
        self._bar.show_memory(parts, marks, total)
        self._words.setText(words_of(state, peak))

    @property
    def words(self) -> str:
        """The sentence below the bar."""
        return self._words.text()


def memory_of(state: RunState, peak: float) -> tuple[tuple[Part, ...], tuple[BarMark, ...], float]:
    """In use, the run's peak above it, what is kept for reuse; the estimate and the budget as marks.

    The whole bar is the budget, or more where a step took more.
    """
    assert state.memory is not None
    active, cache = state.last("memory/active_bytes") or 0.0, state.last("memory/cache_bytes") or 0.0
    foretold = float(state.memory.estimated_peak_bytes)
    most = max(peak, foretold, active + cache)
    # A small model in a large budget would be a dot: the bar then ends a little above what is used.
    total = min(max(float(state.memory.budget_bytes), most), 2.5 * most)
    parts = (
        Part("In use", active, "accent"),
        Part("Peak of the run, further", max(0.0, peak - active), "accent", 0.5),
        Part("Kept for reuse", max(0.0, min(cache, total - peak)), "tertiary", 0.4),
    )
    marks = [BarMark("Estimated before", foretold, "good")] if foretold else []
    if state.memory.budget_bytes <= total:
        marks.append(BarMark("Budget", float(state.memory.budget_bytes), "bad"))
    return parts, tuple(marks), total


def words_of(state: RunState, peak: float) -> str:
    """`Peak 7.7 MB, 5% below the estimate; the whole process 410 MB.`"""
    assert state.memory is not None
    said = f"Peak {words.size(peak)} of {words.size(state.memory.budget_bytes)} that the run may use"
    foretold = state.memory.estimated_peak_bytes
    if foretold:
        share = peak / foretold - 1
        said += f", {words.share(abs(share))} {'above' if share > 0 else 'below'} the estimate"
    process = state.last("memory/process_bytes")
    if process:
        said += f"; the whole process {words.size(process)}"
    pressure = PRESSURES.get(int(state.last("memory/pressure") or 0), "")
    return f"{said}. {pressure}".strip()
