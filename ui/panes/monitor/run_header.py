"""The run in one card: name and state, the phase it is in, and the few numbers that matter most."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.metrics import describe
from droid_tune.names import Way
from droid_tune.runs.state import RunState
from ui.one_run.leaked import leaked_words
from ui.widgets.basics import column, label, line, prose, row
from ui.widgets.calm_bar import CalmBar
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.figure import Figure
from ui.widgets.restyling import restyle
from ui.widgets.state_chip import StateChip

#: the held-out number of a run that samples no answers, by how it learns
MEASURED: dict[Way, str] = {"supervised": "eval/perplexity", "preference": "eval/preference_accuracy"}
PHASE_UNITS = {"rollout": "completions", "update": "completions", "evaluate": "rows", "reward": "completions"}


class RunHeader(QFrame):
    """A card over the charts."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = column(self, spacing=10)
        layout.setContentsMargins(16, 14, 16, 14)
        top = row(spacing=10)
        self._name = ElidedLabel("heading", self)
        self._chip = StateChip(self)
        self._phase = label("", "small", parent=self)
        self._phase.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        top.addWidget(self._name)
        top.addWidget(self._chip)
        top.addWidget(self._phase, 1)  # all that is left: a longer phase would be cut until the next layout
        layout.addLayout(top)
        self._bar = CalmBar(self)
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress of the run")
        layout.addWidget(self._bar)
        figures = row(spacing=18)
        self._figures = {
            key: Figure("", self) for key in ("main", "held_out", "step", "left", "speed", "memory")
        }
        for figure in self._figures.values():
            figures.addWidget(figure, 1)
        layout.addLayout(figures)
        self._line = line(self)
        layout.addWidget(self._line)
        self._foot = prose("", "small", parent=self)
        layout.addWidget(self._foot)

    def show_state(self, state: RunState, *, stopping: bool) -> None:
        """Draw a run; `stopping` while it is being saved."""
        self._name.setText(words.literal(state.name) or "Run")
        self._chip.show_life("stopping" if stopping else state.life)
        self._phase.setText(phase_words(state))
        self._bar.setValue(round(1000 * state.fraction))
        self._show_figures(state)
        foot = foot_words(state)
        self._foot.setText(foot)
        self._foot.setVisible(bool(foot))
        self._line.setVisible(bool(foot))
        restyle(self._foot, "role", "fault" if state.life == "failed" else "small")

    def _show_figures(self, state: RunState) -> None:
        figures = self._figures
        config = METHOD_CONFIGS.get(state.method)
        main = "reward" if config is None or config.samples else "loss"
        figures["main"].show_value(
            words.metric(main, state.last(main)), since_start(state, main), name=main.capitalize()
        )
        first = MEASURED.get("policy_gradient" if config is None else config.way, "eval/accuracy")
        held_out = next((name for name in ("eval/accuracy", first) if name in state.series), first)
        figures["held_out"].show_value(
            words.metric(held_out, state.last(held_out)),
            leaked_words(state) or since_start(state, held_out),
            name=describe(held_out).label,
        )
        figures["step"].show_value(
            f"{state.step:,}", f"of {state.end_step:,}" if state.end_step else "", name="Step"
        )
        name, time = time_words(state)
        pace = state.seconds_per_step
        figures["left"].show_value(
            time, f"{words.pace(pace)} per step" if pace is not None else "", name=name
        )
        figures["left"].setToolTip(spread_words(state))
        speed = speed_of(state, samples=main == "reward")
        figures["speed"].show_value(
            f"{speed:,.0f}" if speed is not None else "–",
            "tokens/s" if speed is not None else "",
            name="Sampling speed" if main == "reward" else "Training speed",
        )
        budget = f"of {words.size(state.memory.budget_bytes)}" if state.memory is not None else ""
        figures["memory"].show_value(
            words.size(state.peak_bytes) if state.peak_bytes else "–", budget, name="Peak memory"
        )


def speed_of(state: RunState, *, samples: bool) -> float | None:
    """Tokens in a second: those that are sampled, or those of the rows that a step of a method without sampling learns from."""
    if samples:
        return state.last("tokens_per_second")
    tokens, seconds = state.last("num_tokens"), state.last("step_time")
    return tokens / seconds if tokens and seconds else None


def time_words(state: RunState) -> tuple[str, str]:
    """The time left while it runs, the time taken afterwards."""
    if state.running:
        left = state.seconds_left
        return "Time left", words.duration(left) if left is not None else "–"
    return "Time of work", words.duration(state.clock.worked_seconds) if state.clock.worked_seconds else "–"


def spread_words(state: RunState) -> str:
    """`Between 1 h 50 min and 2 h 40 min, as the recent steps went.`; nothing while too few steps are known."""
    found = state.seconds_left_range
    if found is None:
        return ""
    least, most = (words.duration(seconds) for seconds in found)
    return f"Between {least} and {most}, as the recent steps went."


def phase_words(state: RunState) -> str:
    """`Sampling completions: 12 of 64 completions`."""
    phase = state.phase
    if state.life == "paused":
        return "Paused"
    doing = words.capitalised(state.doing)
    if not doing or phase is None or phase.total < 2:  # nothing to count
        return doing
    unit = phase.unit or PHASE_UNITS.get(phase.phase, "")
    return f"{doing}: {phase.done:,} of {phase.total:,} {unit}".rstrip()


def since_start(state: RunState, metric: str) -> str:
    """`from 0.12` once there is more than one value."""
    found = state.series.get(metric)
    if found is None or len(found) < 2:
        return ""
    return f"from {words.metric(metric, found.values[0])}"


def foot_words(state: RunState) -> str:
    """Why it ended, else how the engine portions its work and when it was last saved."""
    if state.life == "failed":
        return state.why or "The run failed."
    parts: list[str] = []
    if state.life == "interrupted":
        parts.append(
            state.why
            or "This run ended without saying so (a crash or a power cut). Resume goes on where it was saved last."
        )
    elif state.life in ("stopped", "completed") and state.why:
        parts.append(state.why)
    if state.plan is not None and state.running:
        parts.append(words.sentence(state.plan.sentence))
    if state.last_checkpoint is not None:
        parts.append(f"Saved at step {state.last_checkpoint.step:,}.")
    if state.life == "completed":
        parts.append("Result says what it came to.")
    return " ".join(parts)
