"""The help: a text for each method, found by its words."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QTextBrowser, QWidget

from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.paths import resources_dir
from ui.widgets.basics import closes_by_key, column, row


def help_topics() -> dict[str, str]:
    """The topics by key with their titles, methods first in their own order."""
    files = {file.stem for file in (resources_dir() / "help").glob("*.md")}
    known = {key: config.label for key, config in METHOD_CONFIGS.items() if key in files}
    rest = {key: key.replace("_", " ").capitalize() for key in sorted(files - known.keys())}
    return known | rest


def help_matches(wanted: str) -> list[str]:
    """The topics whose title or text has every word of `wanted`, those with it in the title first."""
    asked = wanted.lower().split()
    titled: list[str] = []
    texts: list[str] = []
    for key, title in help_topics().items():
        if all(word in title.lower() for word in asked):
            titled.append(key)
        elif all(word in f"{title} {text_of(key)}".lower() for word in asked):
            texts.append(key)
    return titled + texts


def text_of(topic: str) -> str:
    """A topic's Markdown."""
    return (resources_dir() / "help" / f"{topic}.md").read_text(encoding="utf-8")


class HelpWindow(QDialog):
    """A search field over the topics, the text beside them; it stays open beside the window."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Droid Tune Help")
        self.setModal(False)
        closes_by_key(self)
        self.resize(820, 560)
        sides = row(self, spacing=12)
        sides.setContentsMargins(14, 14, 14, 14)
        left = column(spacing=8)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search the help")
        self.field.setAccessibleName("Search the help")
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(self._search)
        self.topics = QListWidget(self)
        self.topics.setProperty("role", "list")
        self.topics.setAccessibleName("Help topics")
        self.topics.setFixedWidth(230)
        self.field.setFixedWidth(230)
        self.topics.itemSelectionChanged.connect(self._show)
        left.addWidget(self.field)
        left.addWidget(self.topics, 1)
        sides.addLayout(left)
        self.text = QTextBrowser(self)
        self.text.setOpenExternalLinks(True)
        self.text.setAccessibleName("Help text")
        sides.addWidget(self.text, 1)
        self._search("")

    def open_topic(self, topic: str = "") -> None:
        """Show a topic, or the search where none is named."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.field.clear()
        for place in range(self.topics.count()):
            if self.topics.item(place).data(Qt.ItemDataRole.UserRole) == topic:
                self.topics.setCurrentRow(place)
                return
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot(str)
    def _search(self, wanted: str) -> None:
        self.topics.clear()
        titles = help_topics()
        for key in help_matches(wanted):
            item = QListWidgetItem(titles[key], self.topics)
            item.setData(Qt.ItemDataRole.UserRole, key)
        if self.topics.count():
            self.topics.setCurrentRow(0)
        else:
            self.text.setPlainText(f"Nothing in the help has the words “{wanted}”.")

    @Slot()
    def _show(self) -> None:
        chosen = self.topics.selectedItems()
        if chosen:
            self.text.setMarkdown(text_of(str(chosen[0].data(Qt.ItemDataRole.UserRole))))
