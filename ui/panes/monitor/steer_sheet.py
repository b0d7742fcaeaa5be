"""The sheet that steers a run: what can change while it trains, with what it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDialog, QGridLayout, QLineEdit, QWidget

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.config.files.load import parse_overrides
from droid_tune.errors import UserError
from droid_tune.runs.steering import STEERABLE, current, steered, wish
from ui.widgets.basics import button, column, label, prose, row

TITLES = {
    "learning_rate": ("Learning rate", "Its peak; the schedule goes on from it"),
    "beta": ("KL penalty", "From the next rollout on"),
    "temperature": ("Temperature", "From the next rollout on"),
    "stop_at": ("Stop at step", "0 trains to the end"),
    "patience": ("Patience", "Evaluations without a better held-out result; 0 never stops early"),
    "steps_per_eval": ("Evaluate every", "Steps"),
    "save_every": ("Save every", "Steps"),
}


class SteerSheet(QDialog):
    """`wished` tells what was asked for; it is followed between two steps."""

    wished = Signal(object)  # Wish

    def __init__(self, config: RunConfig, parent: QWidget) -> None:
        super().__init__(parent)
        self._config = config
        self.setWindowTitle("Steer the Run")
        self.setModal(True)
        layout = column(self, spacing=14, margins=20)
        layout.addWidget(label("Steer the run", "heading", parent=self))
        said = "Changes are made between two steps, marked on the curves, and kept by a resume."
        layout.addWidget(label(said, "small", parent=self, wrap=True))
        self._fields = self._make_fields()
        layout.addLayout(self._grid)
        self._fault = prose("", "fault", parent=self)
        self._fault.hide()
        layout.addWidget(self._fault)
        bar = row(spacing=8)
        for text, action in (("Save Now", "save"), ("Evaluate Now", "evaluate")):
            made = button(text, parent=self)
            made.clicked.connect(self._save_now if action == "save" else self._evaluate_now)
            bar.addWidget(made)
        bar.addStretch(1)
        cancel = button("Cancel", parent=self)
        cancel.clicked.connect(self.reject)
        change = button("Change", "primary", parent=self)
        change.setDefault(True)
        change.clicked.connect(self._change)
        bar.addWidget(cancel)
        bar.addWidget(change)
        layout.addLayout(bar)

    def _make_fields(self) -> dict[str, QLineEdit]:
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        fields: dict[str, QLineEdit] = {}
        for line, name in enumerate(one for one in STEERABLE if current(self._config, one) is not None):
            title, help = TITLES[name]  # noqa: A001
            field = QLineEdit(_text(current(self._config, name)), self)
            field.setAccessibleName(title)
            field.setFixedWidth(96)
            fields[name] = field
            for place, part in enumerate(
                (label(title, parent=self), field, label(help, "small", parent=self))
            ):
                self._grid.addWidget(part, line, place)
        self._grid.setColumnStretch(2, 1)
        return fields

    def changes(self) -> Mapping[str, Any]:
        """What differs from what the run has now. Raises UserError where the run cannot have it."""
        changed: dict[str, Any] = {}
        for name, field in self._fields.items():
            section, key = STEERABLE[name]
            value = parse_overrides([f"{section}.{key}={field.text().strip()}"])[section][key]
            if value != current(self._config, name):
                changed[name] = value
        steered(self._config, changed)
        return changed

    @Slot()
    def _change(self) -> None:
        try:
            changed = self.changes()
        except UserError as error:
            self._fault.setText(str(error))
            self._fault.show()
            return
        if changed:
            self.wished.emit(wish(changed))
        self.accept()

    @Slot()
    def _save_now(self) -> None:
        self.wished.emit(wish(action="save"))
        self.accept()

    @Slot()
    def _evaluate_now(self) -> None:
        self.wished.emit(wish(action="evaluate"))
        self.accept()


def _text(value: Any) -> str:
    return words.number(value) if isinstance(value, float) else str(value)
