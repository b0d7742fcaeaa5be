"""Charts say in words what they draw, and draw no more than they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from tests.ui.recording import complete
from ui.main_window import MainWindow
from ui.panes.monitor.metric_table import MetricTable
from ui.session import Session
from ui.widgets.chart import Chart, ChartSpec, Line, round_ticks, summary_of
from ui.widgets.curves import trend


def series(values: list[float]) -> Series:
    made = Series()
    for step, value in enumerate(values, start=1):
        made.append(step, value)
    return made


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[QWidget]:
    made = QWidget()
    made.show()
    yield made
    made.close()


def shown(spec: ChartSpec, window: QWidget) -> Chart:
    chart = Chart(spec, window)
    chart.resize(500, 300)
    chart.show()
    return chart


def test_a_curve_is_told_in_a_sentence() -> None:
    said = summary_of("Reward", "reward", series([0.1, 0.2, 0.4, 0.8]))
    assert said == "Reward: 0.8 at step 4, between 0.1 and 0.8, rising."


def test_trends_need_a_change_worth_naming() -> None:
    assert trend(np.array([1.0, 2, 3, 4])) == "rising"
    assert trend(np.array([4.0, 3, 2, 1])) == "falling"
    assert trend(np.array([1.0, 5, 0, 1])) == "steady"
    assert trend(np.array([1.0])) == "too few values for a trend"


def test_ticks_are_round_and_few() -> None:
    assert round_ticks(0, 1, 5) == [(0.2, [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1])]
    assert round_ticks(0, 3, 10, least=1) == [(1.0, [0, 1, 2, 3])]
    assert round_ticks(2, 2, 5) == []


def test_an_empty_chart_says_so(qtbot: QtBot) -> None:
    chart = Chart(ChartSpec("KL", (Line("kl", "KL"),), empty="Not measured"), None)  # pyright: ignore
    qtbot.addWidget(chart)
    chart.show_series({}, 0)
    assert chart.summary() == "Not measured."


def test_a_long_curve_is_drawn_with_few_points(window: QWidget) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    long = series(list(np.sin(np.arange(20_000) / 50)))
    chart.show_series({"reward": long}, 0)
    drawn = chart._curves[0]["curve"].getData()[1]
    assert len(drawn) <= 500
    assert drawn.max() == max(long.values)


def test_a_curve_of_one_value_shows_as_a_dot_until_there_is_a_line(window: QWidget) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    curve = chart._curves[0]["curve"]
    chart.show_series({"reward": series([0.5])}, 0)
    assert curve.scatter.isVisible()
    chart.show_series({"reward": series([0.5, 0.6, 0.7])}, 0)
    assert not curve.scatter.isVisible()


def test_the_legend_and_the_description_name_every_curve(window: QWidget) -> None:
    state = RunState().apply_all(complete(60))
    lines = (Line("reward", "Mean", band="reward_std"), Line("eval/accuracy", "Held-out", points=True))
    chart = shown(ChartSpec("Reward", lines), window)
    chart.show_series(state.series, 0.6)
    assert [
        entry.text().endswith(name) for entry, name in zip(chart._legend, ("Mean", "Held-out"), strict=True)
    ]
    assert "Held-out: " in chart.accessibleDescription()


def test_the_table_has_a_line_per_metric(qtbot: QtBot) -> None:
    state = RunState().apply_all(complete(60))
    table = MetricTable(None)  # pyright: ignore
    qtbot.addWidget(table)
    table.show_series(state.series)
    names = [table.item(line, 0).text() for line in range(table.rowCount())]
    assert "Held-out accuracy" in names
    assert len(names) == len(state.series)


def test_the_wheel_over_a_chart_scrolls_the_page(
    session: Session, open_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = open_window(session)
    session.shown.apply_all(complete(60))
    window.show_pane("monitor")
    pane = window.pane("monitor")
    area = pane.findChild(QScrollArea)
    plot = pane._charts[0]._plot
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 0)
    wheel = QWheelEvent(
        QPointF(60, 60),
        QPointF(plot.mapToGlobal(QPoint(60, 60))),
        QPoint(0, -40),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot.viewport(), wheel)
    assert area.verticalScrollBar().value() > 0
