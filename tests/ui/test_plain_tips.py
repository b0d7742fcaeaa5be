"""Tool tips show foreign text word for word."""

import pytest
from PySide6.QtGui import Qt, QTextDocument

from ui.widgets.basics import plain_tip


@pytest.mark.parametrize(
    "text",
    ["/data/<img src='file:///etc/hosts'>.jsonl", "<b>a</b>\nb & c", "<!DOCTYPE html>", "a < b", "x\u202ey"],
)
def test_what_looks_like_html_is_shown_as_it_stands(text: str) -> None:
    shown = plain_tip(text)
    document = QTextDocument()
    document.setHtml(shown) if Qt.mightBeRichText(shown) else document.setPlainText(shown)
    assert document.toPlainText() == text.replace("\u202e", "⟨U+202E⟩")
    assert "<img" not in shown
