"""The help texts in `resources/help`, one Markdown file per method, and one for tools and turns."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from droid_tune.paths import resources_dir


@lru_cache(maxsize=32)
def help_text(topic: str) -> str:
    """The Markdown of a topic, empty where there is none."""
    try:
        return (resources_dir() / "help" / f"{topic}.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def add_help(topic: str, layout: QVBoxLayout, parent: QWidget) -> None:
    """A topic's text, a label per paragraph."""
    for paragraph in help_text(topic).strip().split("\n\n"):
        shown = QLabel(parent)
        shown.setTextFormat(Qt.TextFormat.MarkdownText)  # our own text, never the user's
        shown.setWordWrap(True)
        shown.setText(paragraph)
        layout.addWidget(shown)
