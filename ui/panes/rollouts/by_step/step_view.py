"""What the model wrote in one step: its prompts and their groups of completions, with rewards and advantages."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QListView, QSlider, QSplitter, QWidget

from droid_tune.events import RolloutGroup
from ui.panes.rollouts.by_step.group_page import GroupPage
from ui.panes.rollouts.by_step.step_groups import chosen_groups, held_out_summary, prompt_entry, summary_of
from ui.panes.rollouts.completion_desk import CompletionDesk
from ui.session import Session
from ui.widgets.basics import column, label, row, scrolling
from ui.widgets.lists.simple_list import EntryList
from ui.widgets.lists.two_lines import TwoLineDelegate
from ui.widgets.segmented import Segmented
from ui.widgets.switch import Switch

FILTERS = (
    ("all", "All"),
    ("best", "Best"),
    ("worst", "Worst"),
    ("equal", "No signal"),
    ("cut", "Cut off"),
    ("held_out", "Held-out"),
)


class StepView(QWidget):
    """A step slider that follows the run, a list of prompts, the completions of the chosen one."""

    def __init__(self, session: Session, desk: CompletionDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self._desk = session, desk
        self._following = True
        self._steps: list[int] = []
        self._drawn: tuple[object, ...] = ()
        self._groups: list[RolloutGroup] = []
        self._read: tuple[int, list[RolloutGroup]] = (-1, [])  # of an earlier step, from the file
        layout = column(self, spacing=12)
        layout.addLayout(self._step_bar(self))
        layout.addLayout(self._filter_bar(self))
        layout.addWidget(self._body(self), 1)
        session.shown_changed.connect(self._another_run)
        session.cursor.chosen.connect(self._turn_to)
        desk.grown.connect(self._grew)
        desk.groups_read.connect(self._keep_read)

    def refresh(self) -> None:
        """Draw the step that is looked at, the newest while the pane follows."""
        state = self.session.shown
        mark = (id(state), state.revision, self._filter.key, self._desk.read_bytes)
        if mark == self._drawn or not state.rollouts.by_step:
            return
        self._drawn = mark
        held_out = self._filter.key == "held_out"
        at_hand = state.rollouts.steps(held_out=held_out)
        earlier = [step for step in self._desk.steps(held_out=held_out) if step <= state.step]
        self._show_steps(sorted({*earlier, *at_hand}))
        self._show_groups()

    # --- parts --------------------------------------------------------------------------------------------------

    def _step_bar(self, page: QWidget) -> QHBoxLayout:
        bar = row(spacing=10)
        self._step = label("Step", "heading", parent=page)
        self._step.setMinimumWidth(80)
        self._slider = QSlider(Qt.Orientation.Horizontal, page)
        self._slider.setAccessibleName("Step")
        self._slider.valueChanged.connect(self._slid)
        self._follow = Switch("Follow the run", page)
        self._follow.setChecked(True)
        self._follow.clicked.connect(self._set_following)
        bar.addWidget(self._step)
        bar.addWidget(self._slider, 1)
        bar.addSpacing(6)
        bar.addWidget(label("Follow the run", "small", parent=page))
        bar.addWidget(self._follow)
        return bar

    def _filter_bar(self, page: QWidget) -> QHBoxLayout:
        bar = row(spacing=10)
        self._filter = Segmented(FILTERS, page, "Show")
        self._filter.chosen.connect(self._filtered)
        self._summary = label("", "small", parent=page)
        bar.addWidget(self._filter)
        bar.addStretch(1)
        bar.addWidget(self._summary)
        return bar

    def _body(self, page: QWidget) -> QSplitter:
        split = QSplitter(Qt.Orientation.Horizontal, page)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        self._prompts = EntryList(self)
        self._list = QListView(split)
        self._list.setProperty("role", "list")
        self._list.setAccessibleName("Prompts of this step")
        self._list.setModel(self._prompts)
        self._list.setItemDelegate(TwoLineDelegate(self._list))
        self._list.setMouseTracking(True)
        self._list.setMinimumWidth(190)
        self._list.selectionModel().currentChanged.connect(self._chosen)
        self.page = GroupPage(split)
        split.addWidget(self._list)
        split.addWidget(scrolling(self.page, split))
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 3)
        split.setSizes([250, 700])
        return split

    # --- drawing ------------------------------------------------------------------------------------------------

    def _show_steps(self, steps: list[int]) -> None:
        before = self._shown_step()
        self._steps = steps
        self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, len(steps) - 1))
        place = len(steps) - 1 if self._following or before not in steps else steps.index(before)
        self._slider.setValue(place)
        self._slider.blockSignals(False)

    def _shown_step(self) -> int:
        place = self._slider.value()
        return self._steps[place] if 0 <= place < len(self._steps) else -1

    def _show_groups(self) -> None:
        step = self._shown_step()
        self._step.setText(f"Step {step:,}" if step >= 0 else "No step")
        at_hand = self.session.shown.rollouts.by_step.get(step)
        if at_hand is not None:
            self._fill(at_hand)
        elif step == self._read[0]:
            self._fill(self._read[1])
        elif step >= 0:
            self._desk.ask_groups(step)  # what is shown stays until it is read
        else:
            self._fill([])

    @Slot(int, object)
    def _keep_read(self, step: int, groups: list[RolloutGroup]) -> None:
        self._read = (step, groups)
        if step == self._shown_step():
            self._show_groups()

    def _fill(self, everything: list[RolloutGroup]) -> None:
        self._groups = chosen_groups(everything, self._filter.key)
        held_out, answered = self._filter.key == "held_out", self.session.shown.held_out_rows
        self._summary.setText(held_out_summary(everything, answered) if held_out else summary_of(everything))
        kept = self._list.currentIndex().row()
        changed = self._prompts.show([prompt_entry(group) for group in self._groups])
        if changed or not self._list.currentIndex().isValid():
            place = min(max(kept, 0), len(self._groups) - 1)
            self._list.setCurrentIndex(self._prompts.index(place) if self._groups else QModelIndex())
        self._show_detail()

    def _show_detail(self) -> None:
        place = self._list.currentIndex().row()
        group = self._groups[place] if 0 <= place < len(self._groups) else None
        self.page.show_group(group, self.session.shown_folder)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _another_run(self) -> None:
        self._desk.drop_groups()
        self._drawn, self._read = (), (-1, [])
        self.page.forget()
        self._set_following(True)

    @Slot(int)
    def _slid(self, place: int) -> None:
        self._following = place == self._slider.maximum() and self._following
        self._follow.setChecked(self._following)
        self._show_groups()

    @Slot()
    def _grew(self) -> None:
        """Earlier steps can be looked at now."""
        if self.isVisible():
            self.refresh()

    @Slot(object)
    def _turn_to(self, step: int | None) -> None:
        """The charts' cursor: the nearest step at hand, or the newest again."""
        if step is None or not self._steps:
            self._set_following(step is None)
            return
        nearest = min(self._steps, key=lambda known: abs(known - step))
        self._following = False
        self._follow.setChecked(False)
        self._slider.setValue(self._steps.index(nearest))
        self._show_groups()

    @Slot(bool)
    def _set_following(self, on: bool) -> None:
        self._following = on
        self._follow.setChecked(on)
        self._drawn = ()
        if self.isVisible():
            self.refresh()

    @Slot(str)
    def _filtered(self, key: str) -> None:
        self._drawn = ()
        self.refresh()

    @Slot(QModelIndex, QModelIndex)
    def _chosen(self, current: QModelIndex, previous: QModelIndex) -> None:
        self._show_detail()
