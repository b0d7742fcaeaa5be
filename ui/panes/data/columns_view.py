"""How columns are read: a proposal, or the user's own choice, and what the first row that fits becomes by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from droid_tune.data.formats.base import Layout, Row, RowFormat
from droid_tune.data.formats.parts.columns import names_in
from droid_tune.data.formats.table import FORMATS_BY_NAME, need_of, usable_formats
from droid_tune.data.issues import RowFault
from droid_tune.data.mapping import Proposal
from ui.panes.data.data_reader import in_order, in_use
from ui.panes.data.rows.rows_model import cell_text, whole_text
from ui.panes.data.rows.seen_row import field_pieces
from ui.widgets.basics import button, clear, column, label, prose, row
from ui.widgets.lists.tables import scrolling_card
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.texts.plain_view import Piece, PlainView

OWN_NAME = ""
NONE_FITS = "No row fits when it is read so."
#: rows that are looked at for columns and for one that fits
TRIED = 200
#: of a choice that are seen at least
LETTERS = 12


class ColumnsView(QWidget):
    """`confirmed` tells the mapping (our field: the data's column)."""

    confirmed = Signal(object)  # dict[str, str]

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: Sequence[Row] = ()
        self._combos: dict[str, QuietCombo] = {}
        self._method = "grpo"
        sides = row(self, spacing=12)
        sides.addWidget(self._choices(), 1)
        right = column(spacing=6)
        right.addWidget(label("The first row that fits, as training will read it", "small", parent=self))
        self._result = PlainView("The first row, read by this mapping", self)
        right.addWidget(self._result, 1)
        sides.addLayout(right, 1)

    def show_rows(
        self,
        rows: Sequence[Row],
        method: str,
        mapping: Mapping[str, str],
        proposals: Sequence[Proposal],
        found: str | None,
    ) -> None:
        """The rows as they stand, the mapping in force, other ways to read them, the format that was found."""
        self._rows, self._method = rows, method
        self._formats.clear()
        usable = usable_formats(need_of(method))
        for one in usable:
            self._formats.addItem(one.title, one.name)
        best = proposals[0] if proposals else None
        # Nothing is known of the columns: what a plain table most likely holds, a prompt and what belongs to it.
        plain = next((one.name for one in usable if one.required[0].name == "prompt"), None)
        name = found or (best.format.name if best is not None else plain)
        self._formats.setCurrentIndex(max(0, self._formats.findData(name)))
        given = dict(mapping) or (dict(best.mapping) if best is not None and best.format.name == name else {})
        self._show_fields(given)
        self._confirm.setText("Read the Rows So" if given != dict(mapping) else "Apply")

    def mapping(self) -> dict[str, str]:
        """Only what has another name."""
        return {name: combo.currentData() for name, combo in self._combos.items() if combo.currentData()}

    def choose(self, field: str, column_name: str) -> None:
        """As if the user had chosen it."""
        combo = self._combos[field]
        combo.setCurrentIndex(combo.findData(column_name))

    def _choices(self) -> QWidget:
        inside = QWidget(self)
        layout = column(inside, spacing=10)
        layout.setContentsMargins(14, 12, 14, 12)
        head = row(spacing=10)
        head.addWidget(label("Read the rows as", parent=inside))
        self._formats = _narrow(QuietCombo(inside))
        self._formats.setAccessibleName("Format of the rows")
        self._formats.activated.connect(self._other_format)
        head.addWidget(self._formats, 1)
        layout.addLayout(head)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        layout.addLayout(self._grid)
        self._fault = prose("", "fault", parent=inside)
        layout.addWidget(self._fault)
        foot = row(spacing=8)
        foot.addWidget(
            label("Kept with the run; the files stay as they are.", "small", parent=inside, wrap=True), 1
        )
        self._confirm = button("Apply", "primary", parent=inside)
        self._confirm.clicked.connect(self._tell)
        foot.addWidget(self._confirm)
        layout.addLayout(foot)
        layout.addStretch(1)
        return scrolling_card(inside, self)

    @property
    def _format(self) -> RowFormat | None:
        return FORMATS_BY_NAME.get(str(self._formats.currentData()))

    def _show_fields(self, mapping: Mapping[str, str]) -> None:
        clear(self._grid)
        self._combos = {}
        columns = list(dict.fromkeys(name for one in self._rows[:TRIED] for name in names_in(one)))
        for place, one in enumerate(self._format.fields if self._format is not None else ()):
            combo = _narrow(QuietCombo(self))
            combo.setAccessibleName(f"Column for {one.name}")
            combo.addItem(
                f"{one.name} (its own name)" if one.required else f"{one.name}, where there is one", OWN_NAME
            )
            for name in columns:
                if name not in one.names:
                    combo.addItem(cell_text(name), name)
            combo.setCurrentIndex(max(0, combo.findData(mapping.get(one.name, OWN_NAME))))
            combo.currentIndexChanged.connect(self._draw)
            self._grid.addWidget(label(one.name, "strong" if one.required else "", parent=self), place, 0)
            self._grid.addWidget(combo, place, 1)
            self._combos[one.name] = combo
        self._draw()

    @Slot(int)
    def _other_format(self, place: int) -> None:
        self._show_fields({})

    @Slot()
    def _draw(self) -> None:
        pieces, fault = reading_of(self._rows, self._format, self.mapping(), self._method)
        self._result.show_pieces(pieces or [Piece(NONE_FITS, "secondary")])
        self._fault.setText(fault)
        self._confirm.setEnabled(not fault)

    @Slot()
    def _tell(self) -> None:
        self.confirmed.emit(self.mapping())


def _narrow(combo: QuietCombo) -> QuietCombo:
    """As wide as there is room for, not as its longest choice, which would leave the card."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(LETTERS)
    return combo


def reading_of(
    rows: Sequence[Row], row_format: RowFormat | None, mapping: dict[str, str], method: str
) -> tuple[list[Piece], str]:
    """What the first row that fits becomes, or why the first one does not where none of the first rows does."""
    if not rows or row_format is None:
        return [], "There is no row to read yet."
    columns = list(mapping.values())
    double = next((name for name in columns if columns.count(name) > 1), None)
    if double is not None:
        return [], f"The column {double} is chosen twice; choose another one for one of the fields."
    layout, faults = Layout(row_format, mapping, need_of(method)), list[str]()
    for one in rows[:TRIED]:
        try:
            layout.check(dict(one))
        except RowFault as fault:
            faults.append(fault.message)
            continue
        read: dict[str, Any] = layout.normalise(dict(one))
        return field_pieces([(name, whole_text(read[name])) for name in in_order(in_use(read))]), ""
    return [], faults[0].replace("{place}", "row 1")
