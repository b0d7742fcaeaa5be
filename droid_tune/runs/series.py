"""Values by step, as they come in. Plain arrays: the first paint of the window does not wait for NumPy."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right


class Series:
    """Appended one at a time. Steps never fall; a step told again replaces its value.

    `steps` and `values` are for reading; copy them (`np.array`) before keeping them, a view would stop their growth.
    """

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def last(self) -> float | None:
        """The newest value; None before the first."""
        return self.values[-1] if self.values else None

    def append(self, step: int, value: float) -> None:
        """Add a value; one at or before the last step first takes back what came after it."""
        steps = self.steps
        if steps and step <= steps[-1]:
            self.truncate(step - 1)
        steps.append(step)
        self.values.append(value)

    def truncate(self, last_step: int) -> None:
        """Forget everything after `last_step` (a resumed run goes on from there)."""
        place = bisect_right(self.steps, last_step)
        del self.steps[place:], self.values[place:]

    def before(self, step: float) -> Series:
        """A copy of what came before a step."""
        place, found = bisect_left(self.steps, step), Series()
        found.steps, found.values = self.steps[:place], self.values[:place]
        return found

    def followed_by(self, later: Series) -> Series:
        """A copy with what came later behind it."""
        found = Series()
        found.steps, found.values = self.steps + later.steps, self.values + later.values
        return found

    def at(self, step: float) -> tuple[float, float] | None:
        """The point nearest to a step, for hover values."""
        place = bisect_left(self.steps, step)
        near = [i for i in (place - 1, place) if 0 <= i < len(self)]
        if not near:
            return None
        best = min(near, key=lambda i: abs(self.steps[i] - step))
        return self.steps[best], self.values[best]
