"""Whether models fit this computer with the draft's settings, from their real shapes: one after another, in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal

from ui.background import Task, still_there
from ui.draft import Draft
from ui.panes.setup.readiness.forecasting import VERDICTS, forecast_words

UNKNOWN = "unknown"


@dataclass(frozen=True)
class FitBadge:
    """`verdict` is one of the forecast's; `words` say memory and time, or why nothing is known."""

    verdict: str
    words: str

    @property
    def text(self) -> str:
        """`Fits`, `Unknown`."""
        return VERDICTS[self.verdict][0]

    @property
    def tone(self) -> str:
        """The name of its colour."""
        return VERDICTS[self.verdict][1]


class FitBadges(QObject):
    """`told` names a model whose badge is there now. What is known stays known while the settings do."""

    told = Signal(str)

    def __init__(self, draft: Draft, parent: QObject) -> None:
        super().__init__(parent)
        self._values = draft.to_values()
        self._known: dict[str, FitBadge] = {}
        self._waiting: list[str] = []
        self._weighing: Task | None = None

    def of(self, name: str) -> FitBadge | None:
        """The badge of a model; None while it is not there."""
        return self._known.get(name)

    def weigh(self, names: Sequence[str]) -> None:
        """These next, in order, in the place of those that wait."""
        self._waiting = [name for name in names if name not in self._known]
        if self._weighing is None:
            self._next()

    def stop(self) -> None:
        """Nobody waits any more."""
        self._waiting = []
        if self._weighing is not None:
            self._weighing.drop()

    def _next(self) -> None:
        self._weighing = None
        if self._waiting:
            name = self._waiting.pop(0)
            done, failed = partial(self._keep, name), partial(self._say_unknown, name)
            self._weighing = Task(
                partial(fit_of, self._values, name), still_there(), done=done, failed=failed
            ).start()

    def _keep(self, name: str, badge: FitBadge) -> None:
        self._known[name] = badge
        self.told.emit(name)
        self._next()

    def _say_unknown(self, name: str, sentence: str) -> None:
        self._keep(name, FitBadge(UNKNOWN, sentence))


def fit_of(values: dict[str, Any], name: str) -> FitBadge:
    """A model with the settings of a draft. Raises UserError where nothing is known of it, or the draft is at fault."""
    from droid_tune.estimate.estimate import estimate
    from droid_tune.model_files.hub_facts import facts_at_hand, fetch_facts, is_of_hub

    draft = Draft.from_values(values)
    draft.set_model(name)
    config = draft.config()
    if is_of_hub(name) and not facts_at_hand(name).known:
        fetch_facts(name)
    found = estimate(config)
    return FitBadge(found.verdict, forecast_words(found))
