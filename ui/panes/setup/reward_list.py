"""The rewards of a run: a card each with its weight and, folded, its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from droid_tune.config.rewards import REWARD_CONFIGS, UserFileReward
from ui import icons
from ui.form.editors import TextEditor
from ui.form.fields import FieldSpec, spec_of, specs_of
from ui.form.form import Fold, SettingRow
from ui.theme import current_theme
from ui.widgets.basics import button, clear, column, label, line, prose, row

Values = dict[str, Any]


class RewardCard(QFrame):
    """One reward. `changed` tells (place, field, value), `try_asked` that it is wanted in the workbench."""

    changed = Signal(int, str, object)
    try_asked = Signal(int)
    removed = Signal(int)

    def __init__(self, place: int, values: Values, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.place = place
        self.kind = REWARD_CONFIGS[str(values["type"])]
        self.setAccessibleName(f"Reward {self.kind.label}")
        self._values = values
        self._rows: dict[str, SettingRow] = {}
        layout = column(self, spacing=0)
        head = row(spacing=10)
        head.setContentsMargins(14, 10, 10, 8)
        words = column(spacing=1)
        own = str(values.get("name") or "")
        title = f"{self.kind.label} ({own})" if own else self.kind.label
        words.addWidget(label(title, "strong", parent=self))
        words.addWidget(prose(self.kind.summary, "small", parent=self))
        head.addLayout(words, 1)
        head.addWidget(self._try_button())
        head.addWidget(label("Weight", "small", parent=self))
        self._weight = self._weight_editor()
        head.addWidget(self._weight)
        head.addWidget(self._remove_button())
        layout.addLayout(head)
        self._weight_fault = prose("", "fault", parent=self)
        self._weight_fault.setContentsMargins(14, 0, 14, 6)
        self._weight_fault.hide()
        layout.addWidget(self._weight_fault)
        self._specs = [spec for spec in specs_of(self.kind, "reward") if spec.path != "reward.weight"]
        self._fold = Fold("Options", self._fill, self)
        layout.addWidget(self._fold)
        layout.addSpacing(4)
        if any(info.is_required() for name, info in self.kind.model_fields.items() if name != "type"):
            self._fold.open()

    def show_faults(self, faults: dict[str, str]) -> None:
        """`faults` by field name."""
        said = faults.get("weight", "")
        self._weight.show_fault(bool(said))
        self._weight_fault.setText(said)
        self._weight_fault.setVisible(bool(said))
        if any(name != "weight" for name in faults) and not self._rows:
            self._fold.open()
        for name, shown in self._rows.items():
            shown.show_fault(faults.get(name, ""))

    def go_to(self, name: str) -> bool:
        """Put the keyboard into one of the fields; whether it is here."""
        field = self._weight if name == "weight" else self._rows[name].editor if name in self._rows else None
        if field is not None:
            field.setFocus(Qt.FocusReason.OtherFocusReason)
        return field is not None

    def _weight_editor(self) -> TextEditor:
        spec = spec_of("reward.weight", self.kind.model_fields["weight"])
        editor = TextEditor(spec, self)
        editor.field.setFixedWidth(64)
        editor.show_value(self._values.get("weight", 1.0))
        editor.edited.connect(self._weigh)
        return editor

    def _try_button(self) -> QPushButton:
        edits = self.kind is UserFileReward
        made = button(
            "Edit and Try…" if edits else "Try…", "quiet", parent=self, help="Open it in the reward workbench"
        )
        made.setAccessibleName(f"{'Edit and try' if edits else 'Try'} {self.kind.label}")
        made.clicked.connect(self._ask_to_try)
        return made

    @Slot()
    def _ask_to_try(self) -> None:
        self.try_asked.emit(self.place)

    def _remove_button(self) -> QToolButton:
        made = QToolButton(self)
        made.setIcon(icons.icon("close", current_theme().tokens.secondary, size=14))
        made.setToolTip("Remove this reward")
        made.setAccessibleName(f"Remove {self.kind.label}")
        made.clicked.connect(self._remove)
        return made

    def _fill(self, layout: QVBoxLayout) -> None:
        for spec in self._specs:
            layout.addWidget(line(self))
            shown = SettingRow(spec, self)
            name = _name(spec)
            default = self._default(name)
            shown.show_value(
                self._values.get(name, default),
                changed=name in self._values and self._values[name] != default,
            )
            shown.edited.connect(self._edited)
            shown.reset.connect(self._reset)
            self._rows[name] = shown
            layout.addWidget(shown)

    def _default(self, name: str) -> Any:
        info = self.kind.model_fields[name]
        return "" if info.is_required() else info.get_default(call_default_factory=False)

    @Slot(object)
    def _weigh(self, value: object) -> None:
        self.changed.emit(self.place, "weight", value)

    @Slot(str, object)
    def _edited(self, path: str, value: object) -> None:
        name = path.partition(".")[2]
        self._values = {**self._values, name: value}
        self._rows[name].show_value(value, changed=value != self._default(name))
        self.changed.emit(self.place, name, value)

    @Slot(str)
    def _reset(self, path: str) -> None:
        name = path.partition(".")[2]
        self._edited(path, self._default(name))

    @Slot()
    def _remove(self) -> None:
        self.removed.emit(self.place)


class RewardList(QWidget):
    """All rewards and a button for more; `changed` tells the whole list, `try_asked` the place of one to try."""

    changed = Signal(list)
    try_asked = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rewards: list[Values] = []
        self._cards: list[RewardCard] = []
        layout = column(self, spacing=8)
        self._box = column(spacing=8)
        layout.addLayout(self._box)
        self._add = button("Add Reward", parent=self, icon="plus")
        self._add.setMenu(self._menu())
        layout.addWidget(self._add, 0, Qt.AlignmentFlag.AlignLeft)

    def show_rewards(self, rewards: list[Values]) -> None:
        """A card for each reward, as the config has them."""
        self._rewards = [dict(values) for values in rewards]
        clear(self._box)
        self._cards = [RewardCard(place, values, self) for place, values in enumerate(self._rewards)]
        for card in self._cards:
            card.changed.connect(self._change)
            card.removed.connect(self._remove)
            card.try_asked.connect(self.try_asked)
            self._box.addWidget(card)

    def show_faults(self, faults: dict[str, str]) -> None:
        """`faults` by path: `rewards[1].weight`."""
        for card in self._cards:
            prefix = f"rewards[{card.place + 1}]."
            own = {
                path.removeprefix(prefix): said for path, said in faults.items() if path.startswith(prefix)
            }
            card.show_faults(own)

    def go_to_first(self, faults: Mapping[str, str]) -> bool:
        """Put the keyboard into the first faulty field here; whether there is one."""
        return any(
            path.startswith(prefix) and card.go_to(path.removeprefix(prefix))
            for path in faults
            for card in self._cards
            for prefix in (f"rewards[{card.place + 1}].",)
        )

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for kind, config in REWARD_CONFIGS.items():
            action = QAction(config.label, menu)
            action.setData(kind)
            action.setToolTip(config.summary)
            menu.addAction(action)
        menu.triggered.connect(self._append)
        return menu

    @Slot(QAction)
    def _append(self, action: QAction) -> None:
        names = [str(one.get("name") or one["type"]) for one in self._rewards]
        self.append(fresh_reward(str(action.data()), names))

    @property
    def rewards(self) -> list[Values]:
        """As the config has them."""
        return [dict(values) for values in self._rewards]

    def append(self, values: Values) -> None:
        """One more."""
        self._rewards.append(values)
        self.show_rewards(self._rewards)
        self.changed.emit(self._rewards)

    def set_value(self, place: int, name: str, value: object) -> None:
        """A setting of one of them, as if it were typed."""
        self._rewards[place] = {**self._rewards[place], name: value}
        self.show_rewards(self._rewards)
        self.changed.emit(self._rewards)

    @Slot(int)
    def _remove(self, place: int) -> None:
        del self._rewards[place]
        self.show_rewards(self._rewards)
        self.changed.emit(self._rewards)

    @Slot(int, str, object)
    def _change(self, place: int, name: str, value: object) -> None:
        self._rewards[place] = {**self._rewards[place], name: value}
        self.changed.emit(self._rewards)


def fresh_reward(kind: str, taken: list[str]) -> Values:
    """A reward with its defaults; a second one of a kind gets a name of its own."""
    values: Values = {"type": kind, "weight": 1.0}
    for name, info in REWARD_CONFIGS[kind].model_fields.items():
        if info.is_required():
            values[name] = ""
    number = 2
    while (values.get("name") or kind) in taken:
        values["name"] = f"{kind}_{number}"
        number += 1
    return values


def _name(spec: FieldSpec) -> str:
    return spec.path.partition(".")[2]
