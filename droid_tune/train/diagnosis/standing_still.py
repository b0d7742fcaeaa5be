"""Time in which everything waits for the environment: a remark that goes by the clock, and so is no part of a checkpoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.events import Notice

_FEW = 5
#: less than this of a rollout is not worth a word, whatever share it is
_LEAST_S = 1.0
_SHOWS, _CLEARS = 0.3, 0.2


class StandingStill:
    """Looks at the rollouts of a run; says once when much of them is spent waiting for tools, again after that had cleared."""

    def __init__(self, config: RunConfig) -> None:
        self._environment = config.environment
        self._looks: deque[tuple[float, float]] = deque(maxlen=_FEW)
        self._told = False

    def observe(
        self, step: int, metrics: Mapping[str, float | None], seconds: Mapping[str, float]
    ) -> list[Notice]:
        """A step's metrics, and its seconds by phase."""
        stood = metrics.get("episodes/stood_seconds")
        if self._environment is None or stood is None:
            return []
        self._looks.append((stood, seconds.get("rollout", 0.0)))
        waited, whole = (sum(part) for part in zip(*self._looks, strict=True))
        share = waited / max(whole, waited, 1e-9)
        if len(self._looks) < _FEW or share < _CLEARS:
            self._told = self._told and share >= _CLEARS
            return []
        if self._told or share < _SHOWS or waited / len(self._looks) < _LEAST_S:
            return []
        self._told = True
        return [self._notice(step, share, waited / len(self._looks))]

    def _notice(self, step: int, share: float, seconds: float) -> Notice:
        assert self._environment is not None
        may_wait, children = self._environment.waiting_share, self._environment.at_once
        return Notice(
            level="warning",
            code="standing_still",
            text=f"{words.share(share)} of the time of sampling was spent waiting for the environment in the last {_FEW} "
            f"steps that sampled ({words.duration(seconds)} in each): the model stood still meanwhile.",
            remedy="Make the tools answer sooner, let more of them run side by side "
            f"(`environment.at_once`, now {children}), more episodes wait while others are written "
            f"(`environment.waiting_share`, now {may_wait:g}; at most 0.9), or sample more completions per prompt.",
            step=step,
        )
