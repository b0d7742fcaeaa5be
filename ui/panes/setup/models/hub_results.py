"""What is found for some words: models on this computer first, then those of the Hub, the most downloaded first."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune.control import Watch
from droid_tune.model_files.found import FoundModel, find_models
from droid_tune.model_files.from_hub.hub_search import HubModel, search_models
from ui.background import Task, still_there

#: milliseconds without a key after which the Hub is asked
PATIENCE_MS = 350


class HubResults(QObject):
    """`found` tells that `here`, `hub` and `fault` (why the Hub gave nothing) are others now: of the newest words."""

    found = Signal()

    def __init__(self, recent: Sequence[str], parent: QObject) -> None:
        super().__init__(parent)
        self._recent = recent  # models used before, by the config's `model.path`
        self.here: list[FoundModel] = []
        self.hub: list[HubModel] = []
        self._all_here: list[FoundModel] = []
        self.fault = ""
        self._text = ""
        self._asking: Task | None = None
        self._looking: Task | None = None
        self._ended = threading.Event()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(PATIENCE_MS)
        self._later.timeout.connect(self.ask)

    @property
    def asking(self) -> bool:
        """Whether the Hub has not answered yet."""
        return self._asking is not None or self._later.isActive()

    def look_here(self) -> None:
        """The models on this computer, anew."""
        self._looking = Task(
            partial(find_models, self._recent), still_there(), done=self._keep_here, failed=self._fail
        ).start()

    @Slot(str)
    def ask_soon(self, text: str) -> None:
        """For other words, once nothing was typed for a moment."""
        self._text = text.strip()
        self._sort_here()
        self._later.start()

    @Slot()
    def ask(self) -> None:
        """Now; the answer to the words before is not waited for."""
        self._stop_asking()
        self.fault = ""
        self._ended = threading.Event()
        watch = Watch(should_stop=self._ended.is_set)
        self._asking = Task(
            partial(search_models, self._text, watch), still_there(), done=self._keep_hub, failed=self._fail
        ).start()
        self.found.emit()

    def stop(self) -> None:
        """Nobody waits for anything any more."""
        self._stop_asking()
        if self._looking is not None:
            self._looking.drop()

    def _stop_asking(self) -> None:
        self._ended.set()
        self._later.stop()
        if self._asking is not None:
            self._asking.drop()
            self._asking = None

    def _keep_here(self, found: list[FoundModel]) -> None:
        self._all_here = [model for model in found if not model.fault and model.kind != "hub"]
        self._sort_here()

    def _sort_here(self) -> None:
        wanted = self._text.lower()
        self.here = [one for one in self._all_here if wanted in f"{one.path} {one.title}".lower()]
        self.found.emit()

    def _keep_hub(self, found: list[HubModel]) -> None:
        self._asking = None
        self.hub = found
        self.found.emit()

    def _fail(self, sentence: str) -> None:
        self._asking = None
        self.hub, self.fault = [], sentence
        self.found.emit()
