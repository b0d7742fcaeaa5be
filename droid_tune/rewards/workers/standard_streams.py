"""Prints and typed lines between two interpreters (`exchange`): tests see what a program prints, and type what it reads."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Any

Message = dict[str, Any]


def typed() -> str | None:
    """What is still to be read from a text that stands in for the keyboard; None where none does."""
    if not isinstance(sys.stdin, io.StringIO):
        return None
    return sys.stdin.getvalue()[sys.stdin.tell() :]


def take_over(message: Message) -> None:
    """What the other side printed is printed here, what it read is read here."""
    if text := message.get("printed"):
        sys.stdout.write(text)
    if isinstance(sys.stdin, io.StringIO):
        sys.stdin.seek(sys.stdin.tell() + int(message.get("read", 0)))


@contextmanager
def printing_apart(text: str | None) -> Generator[Message]:
    """Inside, prints are kept for the other side and `text` is what is typed; afterwards what is given says both."""
    told: Message = {}
    before, keyboard = sys.stdin, io.StringIO(text or "")
    sys.stdin = keyboard if text is not None else before
    with redirect_stdout(io.StringIO()) as out:
        try:
            yield told
        finally:
            sys.stdin = before
    told |= {"printed": out.getvalue(), "read": keyboard.tell()}
