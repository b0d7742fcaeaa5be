"""Early stopping: a run ends when its held-out result has not become better in a number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.runs.best import Best, measured


@dataclass
class Patience:
    """The best held-out result so far, and how many evaluations ago it was."""

    metric: str = ""
    best: float | None = None
    least: float | None = None
    best_step: int = 0
    waited: int = 0

    def observe(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """One evaluation after `step` updates; one without a number counts as no better."""
        found = measured(step, metrics, self.metric)
        if found is not None and self._is_better(found):
            self.metric, self.best, self.least = found.metric, found.value, found.least
            self.best_step, self.waited = step, 0
        elif self.best is not None:
            self.waited += 1

    def _is_better(self, found: Best) -> bool:
        """An equal one is not."""
        if self.best is None:
            return True
        before = Best(self.best_step, self.metric, self.best, self.least)
        return found.excels(before) and not before.excels(found)

    def verdict(self, patience: int) -> str:
        """Why to stop now; empty where there is patience left, or none was asked for (0)."""
        if not patience or self.waited < patience:
            return ""
        metric = describe(self.metric).label.lower()
        return (
            f"Stopped early: the {metric} has not become better in {words.count(self.waited, 'evaluation')} "
            f"(best {words.metric(self.metric, self.best)} at step {self.best_step:,})."
        )

    def begin_again(self) -> None:
        """Whoever resumes a run that ended early means it to go on: the waiting begins anew."""
        self.waited = 0

    def state(self) -> dict[str, Any]:
        """JSON values for a checkpoint."""
        return asdict(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes back `state`."""
        self.metric, self.best, self.least = str(state["metric"]), state["best"], state.get("least")
        self.best_step, self.waited = int(state["best_step"]), int(state["waited"])
