"""What curves are drawn over: steps, tokens seen, or the run's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from droid_tune import words
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState

Floats = NDArray[np.float64]
Across = Literal["step", "tokens", "time"]
#: what a person chooses from: what curves are drawn over, and the share that the past keeps
ACROSS: tuple[tuple[Across, str], ...] = (
    ("step", "Over steps"),
    ("tokens", "Over tokens"),
    ("time", "Over time"),
)
SMOOTHINGS = (("0", "Raw"), ("0.6", "Smooth"), ("0.9", "Smoother"))


@dataclass(frozen=True)
class ScaleAcross:
    """Turns steps into places across and back. `steps` and `places` (N,) rise together; empty: a step is its own place."""

    kind: Across = "step"
    steps: tuple[float, ...] = ()
    places: tuple[float, ...] = ()

    @classmethod
    def of(cls, state: RunState, kind: Across) -> ScaleAcross:
        """The scale of a run; by step where it does not tell the other."""
        told: Series = {"tokens": state.clock.tokens, "time": state.clock.seconds}.get(kind, Series())
        if not len(told) or not told.last:
            return cls()
        return cls(kind, (0.0, *told.steps), (0.0, *told.values))

    def place(self, steps: Floats) -> Floats:
        """Where steps stand; one between two told ones stands between them."""
        return np.interp(steps, self.steps, self.places) if self.steps else steps

    def step(self, place: float) -> float:
        """The step at a place."""
        return float(np.interp(place, self.places, self.steps)) if self.steps else place

    def named(self, step: float) -> str:
        """A step in a sentence; without a run's own steps the places are all there is: `3.5M tokens`, `after 2 h`."""
        if self.counted == "Step":
            return f"step {self.told(step)}"
        return f"{self.told(step)} tokens" if self.kind == "tokens" else self.told(step)

    @property
    def counted(self) -> str:
        """What `told` tells: the heading of a table of values."""
        return "Step" if self.kind == "step" or self.steps else self.kind.capitalize()

    def told(self, step: float) -> str:
        """A step by its number; without a run's own steps the place, as its tick says it."""
        return f"{step:,.0f}" if self.counted == "Step" else self.text(step) or f"{step:,.0f}"

    def text(self, place: float) -> str:
        """A place as its tick says it: `1,200`, `3.5M`, `2 h 10 min`."""
        if self.kind == "time":
            return words.duration(place)
        if self.kind == "tokens":
            for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
                if abs(place) >= size:
                    return f"{place / size:g}{unit}"
        return f"{place:,.0f}" if float(place).is_integer() else ""
