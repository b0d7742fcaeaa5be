"""What is to be said of data that was looked through, and the buttons that mend it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.data.formats.table import FORMATS_BY_NAME, label_of, methods_for
from ui.panes.data.columns_said import in_columns
from ui.panes.data.data_reader import Inspection
from ui.widgets.notice import NoticeStack

USE_PROPOSAL, EDIT_COLUMNS, CHOOSE_COLUMNS = "Use It", "Edit…", "Choose Columns…"
#: methods that are offered for rows which the chosen one cannot use
MOST_METHODS = 2


class DataNotices(NoticeStack):
    """A fault of a file, columns to be mapped, a method that fits the rows."""

    mapping_chosen = Signal(object)  # dict[str, str]
    columns_wanted = Signal()
    method_chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, most=2)

    def show_found(self, found: Inspection) -> None:
        """In the place of what was said of other data."""
        if is_to_be_mapped(found):
            self._propose_mapping(found)
            return
        files = found.report.errors if found.report is not None else []
        fitting = fitting_methods(found)
        faults = [found.fault, *(file.error.message for file in files if file.error)]
        actions = [f"Use {label_of(one)}" for one in fitting]
        unknown = any(issue.reason == "unknown_schema" for issue in found.issues)
        if found.fault and found.raw_rows and unknown and not fitting:  # names that only the user can tell
            actions = [CHOOSE_COLUMNS]
        for said in dict.fromkeys(map(in_columns, faults)):
            if said and not any(said in bar.text for bar in self.bars()):
                bar = self.add("error", words.literal(said), actions=tuple(actions))
                bar.chosen.connect(partial(self._answer_fault, fitting))
        notes = found.report.notes if found.report is not None else []
        if notes:
            self.add("info", words.literal(in_columns(" ".join(notes))))

    def _propose_mapping(self, found: Inspection) -> None:
        bar = self.add(
            "info",
            "The columns have other names than ours.",
            f"They can be read so: {words.literal(found.proposals[0].said)}.",
            actions=(USE_PROPOSAL, EDIT_COLUMNS),
        )
        bar.chosen.connect(partial(self._answer_proposal, dict(found.proposals[0].mapping)))

    def _answer_proposal(self, mapping: dict[str, str], action: str) -> None:
        if action == USE_PROPOSAL:
            self.mapping_chosen.emit(mapping)
        else:
            self.columns_wanted.emit()

    def _answer_fault(self, fitting: list[str], action: str) -> None:
        if action == CHOOSE_COLUMNS:
            self.columns_wanted.emit()
        for method in fitting:
            if action == f"Use {label_of(method)}":
                self.method_chosen.emit(method)


def is_to_be_mapped(found: Inspection) -> bool:
    """Whether nothing could be read, and another reading of the columns would help."""
    return bool(found.fault and found.proposals and found.proposals[0].mapping)


def fitting_methods(found: Inspection) -> list[str]:
    """Methods that can use rows which were read but are of no use to the one that is chosen, the simplest first."""
    files = found.report.files if found.report is not None else []
    if found.dataset is not None or not files or not files[0].accepted:
        return []
    layout = FORMATS_BY_NAME.get(files[0].format or "")
    fitting = methods_for(layout) if layout is not None else []
    return [name for name in METHOD_CONFIGS if name in fitting][:MOST_METHODS]
