"""The rewards on the page: what they are, and the way to the workbench where they are tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from ui.panes.setup.reward_list import RewardList, fresh_reward
from ui.session import Session
from ui.widgets.basics import button, column, label, row

Values = dict[str, Any]

SUMMARY = "Each completion is scored by these; the scores are added up with their weights."


class RewardsSection(QWidget):
    """`changed` tells the whole list of rewards, as the config has them."""

    changed = Signal(list)
    tried = Signal()  # in the workbench

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        section = column(self, spacing=8)
        section.addWidget(label("Rewards", "heading", parent=self))
        head = row(spacing=8)
        head.addWidget(label(SUMMARY, "small", parent=self, wrap=True), 1)
        self._try = button(
            "Try Rewards…",
            parent=self,
            icon="check",
            help="Write them, try them on rows, lay them on a past run",
        )
        self._try.clicked.connect(self.try_all)
        head.addWidget(self._try)
        section.addLayout(head)
        self.list = RewardList(self)
        self.list.changed.connect(self._tell)
        self.list.try_asked.connect(self.open_workbench)
        section.addWidget(self.list)

    def show_rewards(self, rewards: list[Values]) -> None:
        """A card for each."""
        self.list.show_rewards(rewards)
        self._try.setEnabled(bool(rewards))

    def show_faults(self, faults: dict[str, str]) -> None:
        """`faults` by path: `rewards[1].weight`."""
        self.list.show_faults(faults)

    @Slot(list)
    def _tell(self, rewards: list[Values]) -> None:
        self._try.setEnabled(bool(rewards))
        self.changed.emit(rewards)

    @Slot()
    def try_all(self) -> None:
        """All of them together, or the only one."""
        from ui.panes.setup.workbench.workbench_sheet import ALL

        self.open_workbench(ALL if len(self.list.rewards) > 1 else 0)

    @Slot(int)
    def open_workbench(self, place: int) -> None:
        """The sheet, on one of the rewards."""
        from ui.panes.setup.workbench.workbench_sheet import WorkbenchSheet

        sheet = WorkbenchSheet(self._session, self.list.rewards, place, self.window())
        sheet.filed.connect(self._file)
        sheet.tried.connect(self.tried)
        sheet.open()

    @Slot(int, str)
    def _file(self, place: int, path: str) -> None:
        self.list.set_value(place, "path", path)

    def take_file(self, path: Path) -> None:
        """A Python file that was dropped or opened becomes a reward (unless it is one), shown in the workbench."""
        rewards = self.list.rewards
        known = [place for place, one in enumerate(rewards) if one.get("path") == str(path)]
        if not known:
            names = [str(one.get("name") or one["type"]) for one in rewards]
            self.list.append({**fresh_reward("user_file", names), "path": str(path)})
        self.open_workbench(known[0] if known else len(rewards))
