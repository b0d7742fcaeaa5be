"""A hand at the real window: it looks for what can be seen, and presses, types and drags with the mouse and keys of the screen.

It works in a thread of its own beside the window's event loop, as a person does; what it asks about widgets is answered in
the window's thread.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QModelIndex, QObject, QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QLabel,
    QLineEdit,
    QScrollArea,
    QWidget,
)

from tests.e2e.drag_source import TITLE
from ui.main_window import MainWindow

Answer = TypeVar("Answer")
#: how long anything may take; a machine may stall
PATIENCE_S = 600.0
#: where what is dragged waits, beside the window
DRAG_X, DRAG_Y = 1_500, 900


class Answering(QObject):
    """Calls what is asked in the thread that it belongs to."""

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked.connect(self._call, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _call(self, work: Callable[[], None]) -> None:
        work()


class Hand:
    """Every wait ends in an error with what was waited for."""

    def __init__(self, window: MainWindow, answering: Answering) -> None:
        self.window, self._answering = window, answering

    # --- looking ------------------------------------------------------------------------------------------------

    def ask(self, what: Callable[[], Answer]) -> Answer:
        """The answer of the window's thread."""
        assert threading.current_thread() is not threading.main_thread(), "a question within an answer"
        done, told = threading.Event(), list[Any]()

        def work() -> None:
            try:
                told.append((what(), None))
            except Exception as error:
                told.append((None, error))
            done.set()

        self._answering.asked.emit(work)
        assert done.wait(PATIENCE_S), "the window does not answer"
        answer, error = told[0]
        if error is not None:
            raise error
        return answer

    def until(self, what: Callable[[], Answer], said: str) -> Answer:
        """Wait for something; returns it."""
        ends = time.monotonic() + PATIENCE_S
        while not (found := self.ask(what)):
            if time.monotonic() > ends:
                raise AssertionError(f"did not happen: {said}; seen: {self.ask(self._seen)}")
            time.sleep(0.1)
        return found

    def _seen(self) -> list[str]:
        top = QApplication.activeModalWidget() or self.window
        return [one.text() for one in top.findChildren(QLabel) if one.isVisible() and one.text()]

    def says(self, text: str, where: QWidget | None = None) -> None:
        """Wait until a label that is seen says this."""

        def seen() -> bool:
            tops = [where] if where is not None else QApplication.topLevelWidgets()
            labels = (one for top in tops for one in top.findChildren(QLabel))
            return any(one.isVisible() and text in one.text() for one in labels)

        self.until(seen, f"a text with {text!r}")

    def button(self, text: str) -> QAbstractButton:
        """The button that says this and can be pressed."""

        def found() -> QAbstractButton | None:
            tops = [one for one in QApplication.topLevelWidgets() if one.isVisible()]
            all_of = [one for top in tops for one in top.findChildren(QAbstractButton)]
            able = [one for one in all_of if text in (one.text(), one.accessibleName())]
            modal = QApplication.activeModalWidget()
            able = [one for one in able if one.isVisible() and one.isEnabled()]
            able = [one for one in able if modal is None or modal.isAncestorOf(one)]
            return able[-1] if able else None

        return self.until(found, f"a button {text!r}")

    # --- doing --------------------------------------------------------------------------------------------------

    def click(self, widget: QWidget, at: Callable[[], QPoint] | None = None, *, holding: str = "") -> None:
        """With the left button, in the middle of the widget or `at` a place in it."""
        place = self._place(widget, at)
        press = ["click", "1"]
        if holding:
            press = ["keydown", holding, "click", "1", "keyup", holding]
        xdotool("mousemove", str(place.x()), str(place.y()), *press)
        time.sleep(0.2)

    def hover(self, widget: QWidget, at: Callable[[], QPoint] | None = None) -> None:
        """Let the mouse rest there."""
        place = self._place(widget, at)
        xdotool("mousemove", str(place.x() - 2), str(place.y()), "mousemove", str(place.x()), str(place.y()))
        time.sleep(0.2)

    def _place(self, widget: QWidget, at: Callable[[], QPoint] | None) -> QPoint:
        def place() -> QPoint:
            scroll_to(widget)
            return widget.mapToGlobal(at() if at is not None else widget.rect().center())

        self.ask(place)  # what is scrolled moves
        time.sleep(0.1)
        return self.ask(place)

    def press(self, text: str) -> None:
        """Click the button that says this."""
        self.click(self.button(text))

    def turn(self, pane: str) -> None:
        """Click a pane's name in the sidebar."""
        view = self.ask(lambda: panes_of(self.window))

        def line() -> QModelIndex:
            model = view.model()
            return next(
                model.index(n, 0) for n in range(model.rowCount()) if model.index(n, 0).data() == pane
            )

        self.click(view.viewport(), lambda: view.visualRect(line()).center())
        self.until(lambda: self.window.pane(self.window.current_key()).isVisible(), pane)

    def line(self, view: QAbstractItemView, number: int, *, holding: str = "") -> None:
        """Click a line of a table or list."""
        self.click(
            view.viewport(), lambda: view.visualRect(view.model().index(number, 0)).center(), holding=holding
        )

    def key(self, *keys: str) -> None:
        """Press keys, such as `ctrl+f`."""
        xdotool("key", *keys)
        time.sleep(0.15)

    def write(self, text: str) -> None:
        """Type, a key at a time."""
        xdotool("type", "--delay", "12", text)
        time.sleep(0.2)

    def rewrite(self, field: QWidget, text: str) -> None:
        """Click into a field, mark all of it and type."""
        self.click(field)
        self.key("ctrl+a")
        self.write(text)

    def name_file(self, path: Path) -> None:
        """Answer a dialog that asks for a file."""
        self.until(
            lambda: isinstance(QApplication.focusWidget(), QLineEdit) and asks_for_file(), "a file dialog"
        )
        self.key("ctrl+a")
        self.write(str(path))
        self.key("Return")
        self.until(lambda: not asks_for_file(), "the file dialog has gone")

    def drop(self, path: Path, onto: QWidget) -> None:
        """Drag a path from another program and let it fall."""
        place = self._place(onto, None)
        command = [sys.executable, "-m", "tests.e2e.drag_source", str(DRAG_X), str(DRAG_Y), str(path)]
        with subprocess.Popen(command) as source:
            xdotool("search", "--sync", "--onlyvisible", "--name", TITLE)
            time.sleep(0.5)
            xdotool("mousemove", str(DRAG_X + 30), str(DRAG_Y + 30), "mousedown", "1")
            for share in range(1, 21):
                x = DRAG_X + (place.x() - DRAG_X) * share // 20
                y = DRAG_Y + (place.y() - DRAG_Y) * share // 20
                xdotool("mousemove", str(x), str(y))
                time.sleep(0.05)
            time.sleep(0.5)
            xdotool("mouseup", "1")
            source.wait(60)


def xdotool(*words: str) -> None:
    """Raises where the screen refuses."""
    subprocess.run(["xdotool", *words], check=True, timeout=60)


def asks_for_file() -> bool:
    """Whether a file dialog is in front."""
    return isinstance(QApplication.activeModalWidget(), QFileDialog)


def scroll_to(widget: QWidget) -> None:
    """Let every page around it show it, as the wheel would."""
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea):
            above.ensureWidgetVisible(widget, 0, 60)
        above = above.parentWidget()


def panes_of(window: MainWindow) -> QAbstractItemView:
    """The list of panes."""
    return next(one for one in window.findChildren(QAbstractItemView) if one.accessibleName() == "Panes")
