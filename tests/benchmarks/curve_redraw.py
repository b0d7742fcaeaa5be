"""What a redraw of curves costs the GUI thread: 8 curves of 100,000 points, smoothed or not, as one more point comes in.

usage: QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.curve_redraw [--curves N] [--points N] [--rounds N]

Prints CPU milliseconds (least and median) of a redraw by what the charts use (`Smoother`, `bucketed`), and beside it, in
the same rounds, by a loop over the values, which is what it was before; then of a whole chart: its curves given to the
plot, and painted. Curves wander, or are restless noise, which has marks in place of dashes. No pass or fail.
"""

from __future__ import annotations

import argparse
import statistics
import time
from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QApplication, QWidget

from droid_tune.runs.series import Series
from ui.theme import Theme
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.curves import Floats, Smoother, bucketed

WIDTH = 700  # pixels of a chart
CHART = (760, 300)
WEIGHT = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=8)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    curves = [array("d", random.normal(size=given.points).cumsum()) for _ in range(given.curves)]
    smoothers = [Smoother() for _ in curves]
    for smoother, curve in zip(smoothers, curves, strict=True):
        smoother.of(np.array(curve), WEIGHT)
    ways: dict[str, Callable[[], object]] = {
        "raw": lambda: [redrawn(np.array(curve)) for curve in curves],
        "smoothed": lambda: [
            redrawn(smoother.of(np.array(curve), WEIGHT))
            for smoother, curve in zip(smoothers, curves, strict=True)
        ],
        "smoothed anew": lambda: [redrawn(Smoother().of(np.array(curve), WEIGHT)) for curve in curves],
        "smoothed by a loop": lambda: [redrawn(looped(np.array(curve))) for curve in curves],
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for curve in curves:
            curve.append(curve[-1])
        for name, way in ways.items():
            start = time.process_time()
            way()
            taken[name].append(1000 * (time.process_time() - start))
    for name, times in taken.items():
        tell(name, times)
    application = QApplication([])
    Theme(application, "light")
    for name, curves in (
        ("wandering", random.normal(size=(given.curves, given.points)).cumsum(1)),
        ("restless", random.normal(size=(given.curves, given.points))),
    ):
        for weight in (0.0, WEIGHT):
            of_a_chart(f"{name}{', smoothed' if weight else ''}", curves, weight, given.rounds)


def tell(name: str, times: list[float]) -> None:
    print(f"{name:28} {min(times):8.2f} ms least  {statistics.median(times):8.2f} ms median")


def of_a_chart(name: str, curves: NDArray[np.float64], weight: float, rounds: int) -> None:
    """`curves` (N, T)."""
    held, keys = QWidget(), [f"curve {place}" for place in range(len(curves))]
    held.resize(*CHART)
    chart = Chart(ChartSpec("Curves", tuple(Line(key, key) for key in keys)), held)
    chart.resize(*CHART)
    held.show()
    series = {key: Series() for key in keys}
    for key, curve in zip(keys, curves, strict=True):
        series[key].steps.extend(range(len(curve)))
        series[key].values.frombytes(curve.tobytes())
    chart.show_series(series, weight)
    chart.grab()
    drawn: list[float] = []
    painted: list[float] = []
    for step in range(rounds):
        for found in series.values():
            found.append(curves.shape[1] + step, found.values[-1])
        start = time.process_time()
        chart.show_series(series, weight)
        drawn.append(1000 * (time.process_time() - start))
        start = time.process_time()
        chart.grab()
        painted.append(1000 * (time.process_time() - start))
    tell(f"{name}: drawn", drawn)
    tell(f"{name}: painted", painted)
    held.close()


def redrawn(values: Floats) -> tuple[Floats, Floats]:
    """What the plot is given."""
    return bucketed(np.arange(len(values), dtype=float), values, WIDTH)


def looped(values: Floats) -> Floats:
    """The moving average value by value."""
    result = np.empty_like(values)
    total = share = 0.0
    for index, value in enumerate(values.tolist()):
        total = WEIGHT * total + (1 - WEIGHT) * value
        share = WEIGHT * share + (1 - WEIGHT)
        result[index] = total / share
    return result


if __name__ == "__main__":
    main()
