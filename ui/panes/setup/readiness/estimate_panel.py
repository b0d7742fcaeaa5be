"""Memory and time of the run being prepared: the machine's bar, both stages, the time, and the methods side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from ui.panes.setup.readiness.forecasting import model_bytes
from ui.panes.setup.readiness.text_grid import TextGrid
from ui.widgets.basics import column, label, line, prose
from ui.widgets.memory_bar import BarMark, MemoryBar, Part

if TYPE_CHECKING:
    from droid_tune.estimate.forecast import Estimate

NAMES = {
    "weights": "Weights",
    "adapters": "Adapter",
    "optimizer": "Optimizer",
    "reference": "Reference",
    "teacher": "Teacher",
    "gradients": "Gradients",
    "prompt_kv": "Prompt’s keys and values",
    "kv_cache": "Keys and values",
    "activations": "Activations",
    "head": "Output head",
    "logits": "Logits",
}
STAGES = {"rollout": "Sampling", "update": "Training"}
UNKNOWN = "–"
COLUMNS = ("Method", "Memory", "Per step", "Whole run")


class EstimatePanel(QFrame):
    """Shows an `Estimate`, and those of other methods for the same model and data."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName("Memory and time")
        layout = column(self, spacing=8)
        layout.setContentsMargins(14, 12, 14, 12)
        self._bar = MemoryBar(self)
        layout.addWidget(self._bar)
        self._time = label("", "strong", parent=self, wrap=True)
        layout.addWidget(self._time)
        self._notes = prose("", "small", parent=self)
        layout.addWidget(self._notes)
        layout.addWidget(line(self))
        self._stages = TextGrid(self)
        layout.addLayout(self._stages)
        layout.addWidget(line(self))
        self._methods = TextGrid(self)
        layout.addLayout(self._methods)
        self._fault = prose("", "fault", parent=self)
        self._fault.hide()
        layout.addWidget(self._fault)
        self.hide()

    @Slot(str)
    def show_fault(self, sentence: str) -> None:
        """What the figures above have to do without; hidden where that is nothing."""
        self._fault.setText(words.literal(sentence))
        self._fault.setVisible(bool(sentence))

    @Slot(object)
    def show_estimate(self, found: Estimate) -> None:
        """The bar, the time and the stages of one estimate."""
        parts, marks = bar_of(found)
        self._bar.show_memory(parts, marks, float(found.host.memory_bytes))
        self._time.setText(time_words(found))
        self._notes.setText("\n".join(found.notes))
        self._notes.setVisible(bool(found.notes))
        self._show_stages(found)
        self.show()

    @Slot(object)
    def show_methods(self, found: dict[str, Estimate]) -> None:
        """The same run by each method."""
        rows = [[(title, "small") for title in COLUMNS]]
        for method, one in found.items():
            duration = one.duration
            figures = (
                words.size(one.peak_bytes),
                words.pace(duration.per_step),
                words.duration(duration.total),
            )
            cells = (METHOD_CONFIGS[method].label, *(figures if one.known else (UNKNOWN,) * len(figures)))
            rows.append([(text, "") for text in cells])
        self._methods.show_rows(rows)

    def _show_stages(self, found: Estimate) -> None:
        stages = [stage for stage in STAGES if stage in found.peak.parts and found.known]
        titles = [f"{STAGES[stage]} {words.size(found.peak.stages[stage])}" for stage in stages]
        rows = [[("", ""), *((title, "strong") for title in titles)]]
        for name, title in NAMES.items():
            counts = [found.peak.parts[stage].get(name, 0) for stage in stages]
            if any(counts):
                sizes = [words.size(count) if count else "–" for count in counts]
                rows.append([(text, "small") for text in (title, *sizes)])
        self._stages.show_rows(rows)


def bar_of(found: Estimate) -> tuple[tuple[Part, ...], tuple[BarMark, ...]]:
    """Others, the model, what sampling and training add to it, what is left below the limit; the limit itself."""
    others = found.host.used_by_others_bytes
    if not found.known:
        limit = min(found.host.memory_bytes, others + found.budget_bytes)
        return (Part("Other programs", others, "tertiary", 0.55),), (BarMark("Limit", limit),)
    factor = found.peak_bytes / max(1, found.peak.bytes)
    model = model_bytes(found)
    both = sorted(
        (factor * found.peak.stages[stage] - model, stage) for stage in STAGES if stage in found.peak.stages
    )
    limit = min(found.host.memory_bytes, others + found.budget_bytes)
    tone = "accent" if found.verdict == "fits" else "warning" if found.verdict == "tight" else "bad"
    parts = [Part("Other programs", others, "tertiary", 0.55), Part("Model", model, tone)]
    below = 0.0
    for strength, (size, stage) in zip((0.65, 0.4), both, strict=False):  # the smaller lies inside the larger
        words = STAGES[stage] if not below else f"{STAGES[stage]}, further"
        parts.append(Part(words, max(0.0, size - below), tone, strength))
        below = max(below, size)
    room = max(0.0, limit - others - model - below)
    parts.append(Part("Headroom", room, "good", 0.25))
    return tuple(parts), (BarMark("Limit", limit),)


def time_words(found: Estimate) -> str:
    """`About 2 h 10 min (1 h 50 min – 2 h 40 min), 14 s per step, as measured here.`"""
    if not found.known:
        return "Memory and time are not known."
    time = found.duration
    basis = {
        "first guess": "a first guess",
        "measured": "as measured here",
        "earlier runs": "as earlier runs went",
    }
    return (
        f"About {words.duration(time.total)} ({words.duration(time.least)} to {words.duration(time.most)}), "
        f"{words.pace(time.per_step)} per step, {basis[time.basis]}."
    )
