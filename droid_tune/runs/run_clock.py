"""How fast a run goes: its time at work, the pace of its recent steps, and the clock that curves are drawn over."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field

from droid_tune.events import Step
from droid_tune.runs.series import Series

#: steps whose times tell the pace
RECENT_STEPS = 20
#: seconds between two events, above which the process was away (a machine that slept)
LONGEST_GAP_S = 3600.0


@dataclass
class RunClock:
    """The times of one run's events, in seconds; those between two sessions, and a machine's sleep, are left out."""

    #: the time between its events
    worked_seconds: float = 0.0
    #: seconds that the run had taken when a step ended, by step; tokens seen by then
    seconds: Series = field(default_factory=Series)
    tokens: Series = field(default_factory=Series)
    _session_at: float = 0.0
    _at_work: bool = False  # a session began and has not ended
    _step_times: deque[float] = field(default_factory=lambda: deque[float](maxlen=RECENT_STEPS))
    _last_step_at: float | None = None

    def begin(self, at: float) -> None:
        """A session begins; the pace of the one before says nothing of it."""
        self._step_times.clear()
        self._last_step_at = None
        self._session_at = at
        self._at_work = True

    def end(self) -> None:
        """The session has ended: what comes before the next one begins is no work, such as one that failed to begin."""
        self._at_work = False

    def worked(self, sooner: float, later: float) -> None:
        """Two events followed each other at these times of the system's clock (0: not known)."""
        if self._at_work:
            self.worked_seconds += _between(sooner, later) or 0.0

    def step(self, event: Step) -> None:
        """A step ended."""
        self._tick(event)
        taken = event.metrics.get("step_time")
        if taken is None and self._last_step_at is not None and event.time:
            taken = event.time - self._last_step_at
        if taken is not None and taken > 0:
            self._step_times.append(taken)
        self._last_step_at = event.time or None

    def rewind(self, step: int) -> None:
        """Take back what came after `step`."""
        for series in (self.seconds, self.tokens):
            series.truncate(step)

    def per_step(self, together: int) -> float | None:
        """The median of the recent paces: one slow evaluation does not shake it. None before the first.

        `together` is how many steps share a rollout.
        """
        paces = self._paces(together)
        return statistics.median(paces) if paces else None

    def quartiles(self, together: int) -> tuple[float, float] | None:
        """Seconds a step at the quicker and at the slower of the recent paces; None where there are too few."""
        paces = self._paces(together)
        if len(paces) < 4:
            return None
        quick, _, slow = statistics.quantiles(paces, n=4)
        return quick, slow

    def _paces(self, together: int) -> list[float]:
        """Seconds a step, each over as many steps as share a rollout: one of these samples, the others do not."""
        times = list(self._step_times)
        together = min(len(times), together)
        return [
            statistics.fmean(times[end - together : end])
            for end in range(together, len(times) + 1)
            if together
        ]

    def _tick(self, event: Step) -> None:
        """How far the run is on its own clock and in tokens: what curves can be drawn over in place of steps."""
        spent = _between(self._session_at, event.time)
        if spent is None:
            spent = event.metrics.get("step_time") or 0.0
        self.seconds.append(event.step, (self.seconds.last or 0.0) + spent)
        self._session_at = event.time or self._session_at
        seen = event.metrics.get("num_tokens") or 0.0
        self.tokens.append(event.step, (self.tokens.last or 0.0) + seen)


def _between(sooner: float, later: float) -> float | None:
    """Seconds of work between two moments of the system's clock; None where that was put forward or back, the machine
    slept, or a moment is not known (0)."""
    gap = later - sooner
    return gap if sooner and later and 0 <= gap < LONGEST_GAP_S else None
