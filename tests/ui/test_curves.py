"""What a plot is given of a series."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from droid_tune.runs.series import Series
from ui.widgets.charting.curve_items import arrays
from ui.widgets.charting.curve_line import CurveLine
from ui.widgets.charting.said_summary import SaidSummary
from ui.widgets.curves import Smoother, bucketed, smoothed


def test_few_points_are_drawn_as_they_are() -> None:
    steps, values = np.arange(4.0), np.array([1.0, 3, 2, 4])
    assert bucketed(steps, values, 2)[1].tolist() == [1, 3, 2, 4]


def test_each_bucket_shows_its_least_and_greatest_value() -> None:
    steps, values = np.arange(6.0), np.array([1.0, 9, 2, 5, 0, 7])
    shown_steps, shown = bucketed(steps, values, 2)  # buckets of three: (1, 9, 2) and (5, 0, 7)
    assert shown.tolist() == [1, 9, 0, 7]
    assert shown_steps.tolist() == [0, 0, 3, 3]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 50))
def test_thinning_loses_no_peak(numbers: list[float], buckets: int) -> None:
    values = np.array(numbers)
    steps, shown = bucketed(np.arange(len(values), dtype=float), values, buckets)
    assert len(shown) <= max(2 * buckets, len(values) if len(values) <= 2 * buckets else 0)
    assert shown.max() == values.max()
    assert shown.min() == values.min()
    assert np.all(np.diff(steps) >= 0)


def test_smoothing_starts_at_the_first_value() -> None:
    # weight 0.5: 4; (4 * .25 + 0 * .5) / .75 = 1.333
    assert smoothed(np.array([4.0, 0.0]), 0.5).round(3).tolist() == [4.0, 1.333]


def test_smoothing_leaves_a_constant_alone() -> None:
    assert np.allclose(smoothed(np.full(30, 0.3), 0.9), 0.3)


def plainly_smoothed(values: list[float], weight: float) -> list[float]:
    """The definition, one value after the other."""
    total = share = 0.0
    found: list[float] = []
    for value in values:
        total, share = weight * total + (1 - weight) * value, weight * share + (1 - weight)
        found.append(total / share)
    return found


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=300),
    st.floats(0.01, 0.99),
    st.lists(st.integers(0, 300), max_size=4),
)
def test_smoothing_piece_by_piece_is_smoothing_at_once(
    numbers: list[float], weight: float, cuts: list[int]
) -> None:
    smoother = Smoother()
    for end in sorted(min(cut, len(numbers)) for cut in cuts):
        smoother.of(np.array(numbers[:end]), weight)
    found = smoother.of(np.array(numbers), weight)
    np.testing.assert_allclose(found, plainly_smoothed(numbers, weight), rtol=1e-9, atol=1e-6)


def test_a_curve_that_was_taken_back_is_smoothed_anew() -> None:
    smoother = Smoother()
    smoother.of(np.array([1.0, 2.0, 3.0]), 0.5)
    for numbers in ([1.0, 2.0], [1.0, 5.0, 3.0, 4.0, 9.0], [7.0, 2.0, 4.0]):
        smoother.of(np.array([1.0, 2.0, 3.0]), 0.5)
        assert np.allclose(smoother.of(np.array(numbers), 0.5)[-1], plainly_smoothed(numbers, 0.5)[-1])
    assert np.allclose(smoother.of(np.array([7.0, 2.0, 4.0]), 0.9), plainly_smoothed([7.0, 2.0, 4.0], 0.9))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "values", [[3.0, 1.0, 2.0, 5.0], [NAN, 1.0, NAN, 2.0], [INF, 1.0, -INF, 0.0], [NAN] * 4]
)
@pytest.mark.parametrize("within", [None, (0.0, 9.0), (2.0, 9.0), (2.5, 3.0), (20.0, 30.0)])
def test_a_line_has_the_bounds_that_pyqtgraph_finds(
    values: list[float], within: tuple[float, float] | None
) -> None:
    places = np.array([1.0, 2.0, 3.0, 4.0])
    line, theirs = CurveLine(), pg.PlotCurveItem()
    for one in (line, theirs):
        one.setData(places, np.array(values), pen=pg.mkPen("red", width=2))
    told, expected = line.dataBounds(1, 1.0, within), theirs.dataBounds(1, 1.0, within)
    assert told == expected or (expected[0] != expected[0] and told == (None, None))  # the box takes neither
    assert line.dataBounds(0) == theirs.dataBounds(0) == (1.0, 4.0)


def test_a_drawn_series_grows_on() -> None:
    found = Series()
    for step in range(5):
        found.append(step, float(step))
    kept = bucketed(*arrays(found), 100)
    found.append(5, 5.0)  # raises where somebody holds a view of it
    assert (len(found), kept[1].tolist()) == (6, [0, 1, 2, 3, 4])


def test_a_summary_is_said_at_once_and_then_when_its_pause_is_over(qtbot: QtBot) -> None:
    told: list[int] = []
    owner = QObject()
    summary = SaidSummary(lambda: told.append(1), owner)
    for _ in range(3):
        summary.change()
    assert len(told) == 1
    qtbot.waitUntil(lambda: len(told) == 2)
