"""Charts say in words what they draw, and draw no more than they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QMenu, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import Notice
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from tests.ui.recording import complete, recorded
from ui.main_window import MainWindow
from ui.panes.monitor.metric_table import MetricTable
from ui.session import Session
from ui.widgets.axis_texts import roomy, round_ticks, tick_texts
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.charting.chart_words import summary_of
from ui.widgets.charting.curve_plot import CurvePlot
from ui.widgets.charting.curve_set import colors_of
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.soft_band import SoftBand
from ui.widgets.charting.values_sheet import ValuesModel, ValuesSheet
from ui.widgets.curves import band_edges, trend


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
    assert round_ticks(0.13, 0.98, 3.5)[0][0] == 0.2  # no tick at the ends: one finer step more has room


def test_an_empty_chart_says_so(qtbot: QtBot) -> None:
    chart = Chart(ChartSpec("KL", (Line("kl", "KL"),), empty="Not measured"), None)  # pyright: ignore
    qtbot.addWidget(chart)
    chart.show_series({}, 0)
    assert chart.summary() == "Not measured."


def test_a_long_curve_is_drawn_with_few_points(window: QWidget) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    long = series(list(np.sin(np.arange(20_000) / 50)))
    chart.show_series({"reward": long}, 0)
    drawn = chart._curves.items[0].curve.getData()[1]
    assert len(drawn) <= 500
    assert drawn.max() == max(long.values)


def of_colour(chart: Chart, color: QColor) -> int:
    """How many pixels of the plot are of this colour."""
    seen = chart._plot.grab().toImage()
    pixels = (seen.pixel(x, y) for x in range(seen.width()) for y in range(seen.height()))
    return sum(pixel == color.rgb() for pixel in pixels)


def test_a_curve_of_one_value_shows_as_a_dot_until_there_is_a_line(window: QWidget) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    chart.show_series({"reward": series([0.5])}, 0)
    assert [list(marks.values) for marks in chart._curves.layer.marks] == [[0.5]]
    assert of_colour(chart, chart._curves.items[0]._color) > 20
    chart.show_series({"reward": series([0.5, 0.6, 0.7])}, 0)
    assert chart._curves.layer.marks == []


def test_a_curve_of_the_run_before_goes_where_this_run_has_none(window: QWidget) -> None:
    spec = ChartSpec("Loss", (Line("loss", "Loss"), Line("kl", "KL", band="kl_std")))
    chart = shown(spec, window)
    chart.show_series({name: series([1.0, 2.0, 3.0]) for name in ("loss", "kl", "kl_std")}, 0.5)
    chart.show_series({"loss": series([5.0, 6.0, 7.0])}, 0.5)
    first, second = chart._curves.items
    assert list(first.curve.getData()[1]) != []
    for item in (second.curve, second.raw, second.low, second.high):
        assert item.getData()[1] is None or not len(item.getData()[1])


def test_the_legend_and_the_description_name_every_curve(window: QWidget) -> None:
    state = RunState().apply_all(complete(60))
    lines = (Line("reward", "Mean", band="reward_std"), Line("eval/accuracy", "Held-out", points=True))
    chart = shown(ChartSpec("Reward", lines), window)
    chart.show_series(state.series, 0.6)
    assert [
        entry.text().endswith(name)
        for entry, name in zip(chart._head.legend, ("Mean", "Held-out"), strict=True)
    ]
    assert "Held-out: " in chart.accessibleDescription()


def test_long_names_in_a_legend_are_told_apart_by_their_ends(window: QWidget) -> None:
    names = [
        f"GRPO on the arithmetic of the starter · Learning rate {rate}" for rate in ("1e-4", "3e-4", "1e-3")
    ]
    chart = shown(ChartSpec("Reward", tuple(Line("reward", name, key=name) for name in names)), window)
    chart.show_series(dict.fromkeys(names, series([1.0, 2.0, 3.0])), 0)
    shortened = [entry.text().rpartition("> ")[2] for entry in chart._head.legend]
    assert [text[-4:] for text in shortened] == ["1e-4", "3e-4", "1e-3"]
    assert {len(text) for text in shortened} == {33}
    assert [entry.toolTip() for entry in chart._head.legend] == names


def test_the_legend_names_no_curve_that_is_not_there(window: QWidget) -> None:
    lines = (Line("loss", "A", key="a"), Line("loss", "B", key="b"))
    chart = shown(ChartSpec("Loss", lines), window)
    chart.show_series({"b": series([1.0, 2.0, 3.0])}, 0)
    ((name, color, _),) = chart._head._entries  # B alone, in B's own colour: it is not A's curve
    assert (name, color) == ("B", colors_of(chart.spec)[1])
    chart.show_series({"a": series([1.0, 2.0]), "b": series([1.0, 2.0, 3.0])}, 0)
    assert [entry[0] for entry in chart._head._entries] == ["A", "B"]


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
    plot = pane.board.charts[0]._plot
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


@pytest.mark.parametrize(
    ("low", "high", "unit", "texts"),
    [
        (3e-4, 3e-4, "", ["2e-4", "3e-4", "4e-4"]),  # a constant learning rate
        (3e-4, 3e-4 * (1 + 1e-15), "", ["2e-4", "3e-4", "4e-4"]),  # the same, smoothed
        (0, 3e-4, "", ["0", "1e-4", "2e-4", "3e-4"]),
        (1.21e-4, 1.23e-4, "", ["1.210e-4", "1.215e-4", "1.220e-4", "1.225e-4", "1.230e-4"]),
        (0, 0, "", ["-0.4", "-0.2", "0.0", "0.2", "0.4"]),
        (7, 7, "", ["4", "6", "8", "10"]),
        (-2e-7, 1e-7, "", ["-2e-7", "-1e-7", "0", "1e-7"]),
        (-3, 1, "", ["-3", "-2", "-1", "0", "1"]),
        (-0.02, 0.01, "", ["-0.02", "-0.01", "0.00", "0.01"]),
        (1e9, 4e9, "", ["1e9", "2e9", "3e9", "4e9"]),
        (100_000_000, 100_000_004, "", ["1.00000000e8", "1.00000001e8", "1.00000002e8", "1.00000003e8"]),
        (10_000, 40_000, "", ["10,000", "20,000", "30,000", "40,000"]),
        (0.9995, 1, "share", ["99.95%", "99.96%", "99.97%", "99.98%", "99.99%", "100.00%"]),
        (0, 1, "share", ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (8.001e9, 8.004e9, "bytes", ["8.001 GB", "8.002 GB", "8.003 GB", "8.004 GB"]),
        (8e8, 8e8, "bytes", ["0.4 GB", "0.6 GB", "0.8 GB", "1.0 GB", "1.2 GB"]),
        (0, 2, "s", ["0.0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s"]),
        (0, 4e6, "bytes", ["0 MB", "1 MB", "2 MB", "3 MB", "4 MB"]),
    ],
)
def test_ticks_say_what_the_curve_is(low: float, high: float, unit: str, texts: list[str]) -> None:
    """With about four ticks an axis; the first texts of a longer list are enough."""
    spacing, values = round_ticks(*roomy(low, high), 5)[0]
    found = tick_texts(values, spacing, unit)
    assert found[: len(texts)] == texts
    assert len(set(found)) == len(found)


def test_the_axis_of_a_constant_names_it_once(window: QWidget) -> None:
    chart = shown(ChartSpec("Learning rate", (Line("learning_rate", "Learning rate"),)), window)
    for smoothing in (0.0, 0.9):
        chart.show_series({"learning_rate": series([3e-4] * 50)}, smoothing)
        chart._plot.box.updateAutoRange()
        low, high = chart._plot.box.viewRange()[1]
        spacing, values = chart._plot.axis.tickValues(low, high, 200)[0]
        texts = chart._plot.axis.tickStrings(values, 1, spacing)
        assert texts.count("3.0e-4") + texts.count("3e-4") == 1
        assert len(set(texts)) == len(texts)


def test_the_hover_tells_only_values_of_its_own_step(window: QWidget) -> None:
    lines = (Line("reward", "Reward"), Line("eval/accuracy", "Held-out", points=True))
    chart = shown(ChartSpec("Reward", lines), window)
    held_out = Series()
    held_out.append(30, 0.922)
    chart.show_series({"reward": series([0.5] * 40), "eval/accuracy": held_out}, 0)
    assert chart.told_at(27) == "step 27 · Reward 0.5"
    assert chart.told_at(30) == "step 30 · Reward 0.5 · Held-out 92.2%"


def test_the_hover_finds_points_where_the_first_curve_has_none(window: QWidget) -> None:
    """Held-out values before the first step (step 0)."""
    lines = (Line("reward", "Reward"), Line("eval/accuracy", "Held-out", points=True))
    chart = shown(ChartSpec("Reward", lines), window)
    held_out = Series()
    held_out.append(0, 0.25)
    chart.show_series({"reward": series([0.5] * 40), "eval/accuracy": held_out}, 0)
    assert chart.told_at(0) == "step 0 · Held-out 25%"


def test_the_band_keeps_to_what_occurred() -> None:
    steps, mean, spread = np.array([1.0, 2, 3]), np.array([0.9, 0.5, 0.1]), np.array([0.3, 0.1, 0.3])
    least = (np.array([1.0, 2]), np.array([0.2, 0.0]))
    most = (np.array([1.0, 2]), np.array([1.0, 1.0]))
    low, high = band_edges(steps, mean, spread, [least, most])
    assert low.tolist() == pytest.approx([0.6, 0.4, 0.1])  # the third step is known by the means alone
    assert high.tolist() == pytest.approx([1.0, 0.6, 0.4])
    low, high = band_edges(steps, mean, spread)
    assert (low.min(), high.max()) == (0.1, 0.9)


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_the_drawn_band_of_a_run_stays_between_its_rewards(window: QWidget, smoothing: float) -> None:
    state = RunState().apply_all(complete(60))
    line = Line("reward", "Mean", band="reward_std", bounds=("reward/min", "reward/max"))
    chart = shown(ChartSpec("Reward", (line,)), window)
    chart.show_series(state.series, smoothing)
    low, high = (edge.getData()[1] for edge in (chart._curves.items[0].low, chart._curves.items[0].high))
    assert low.min() >= 0.2 - 1e-9  # what a wrong answer earns
    assert high.max() <= 1 + 1e-9
    assert (low < high).any()


def test_a_wider_chart_draws_the_curve_anew_and_keeps_every_peak(window: QWidget) -> None:
    values = [float(step % 60 == 7) for step in range(5000)]
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    window.resize(1400, 400)
    chart.resize(200, 300)
    chart.show_series({"reward": series(values)}, 0)
    curve = chart._curves.items[0].curve
    narrow = len(curve.getData()[1])
    chart.resize(1200, 300)
    QApplication.processEvents()
    drawn = curve.getData()[1]
    assert len(drawn) > narrow
    assert len(drawn) <= chart._plot.width() + 4
    rises = int((np.diff(drawn) > 0).sum())
    assert rises == sum(values)
    chart.resize(200, 300)
    QApplication.processEvents()
    assert len(curve.getData()[1]) == narrow


def test_a_notice_that_is_told_again_keeps_its_place(
    session: Session, open_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    def failed(number: int) -> Notice:
        return Notice(level="warning", code="reward_failed", text=f"{number} of 32 failed.", step=number)

    window = open_window(session)
    session.shown.apply_all(
        [*recorded(60, until=3), failed(1), Notice(level="info", code="x", text="Slow.", step=2)]
    )
    window.show_pane("monitor")
    pane = window.pane("monitor")
    pane.refresh()
    for number in range(2, 6):
        session.shown.apply(failed(number))
        pane.refresh()
    assert [bar.text for bar in pane._notices.bars] == ["5 of 32 failed.", "Step 2: Slow."]
    assert [bar.isVisible() for bar in pane._notices.bars] == [False, True]  # the earlier one is folded away


# --- the values of a chart, by the keyboard ---------------------------------------------------------------------------


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_return_on_a_chart_opens_its_values_as_a_table(window: QWidget, qtbot: QtBot) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"), Line("eval/accuracy", "Held-out"))), window)
    held_out = Series()
    held_out.append(2, 0.5)
    chart.show_series({"reward": series([0.25, float("nan"), 0.75]), "eval/accuracy": held_out}, 0)
    plot = chart._plot
    assert plot.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert plot.accessibleName() == "Plot: Reward"
    assert "Return opens the values as a table" in plot.accessibleDescription()
    assert "Reward: 0.75 at step 3" in plot.accessibleDescription()
    qtbot.keyClick(plot, Qt.Key.Key_Return)
    sheet = chart.findChild(ValuesSheet)
    assert sheet is not None
    assert sheet.isVisible()
    model = sheet.model
    lines = [[model.index(y, x).data() for x in range(model.columnCount())] for y in range(model.rowCount())]
    assert lines == [["1", "0.25", ""], ["2", "", "50%"], ["3", "0.75", ""]]
    assert model.index(1, 2).data(Qt.ItemDataRole.AccessibleTextRole) == "Held-out: 50%"
    assert sheet.table.hasFocus() or sheet.focusWidget() is sheet.table
    sheet.copy()
    assert QApplication.clipboard().text() == "Step\tReward\tHeld-out\n1\t0.25\t\n2\t\t0.5\n3\t0.75\t\n"
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()


@pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)", "grabbing the keyboard")
def test_the_menu_of_a_chart_has_its_values(window: QWidget, qtbot: QtBot) -> None:
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward"),)), window)
    chart.show_series({"reward": series([0.25])}, 0)
    chart._plot.menu_wanted.emit(QPoint(5, 5))
    menu = chart.findChild(QMenu)
    assert menu is not None
    values = next(action for action in menu.actions() if action.text() == "Values as a Table")
    values.trigger()
    menu.close()
    sheet = chart.findChild(ValuesSheet)
    assert sheet is not None
    sheet.close()


def test_a_table_of_compared_runs_counts_what_the_curves_are_drawn_over(window: QWidget) -> None:
    across = ScaleAcross("tokens")
    model = ValuesModel((Line("reward", "Reward"),), {"reward": series([0.5])}, across, window)
    assert model.headerData(0, Qt.Orientation.Horizontal) == "Tokens"
    assert ScaleAcross("time").told(90.0) == "1 min 30 s"


def test_a_stack_is_shown_whole_as_it_grows(window: QWidget) -> None:
    """Areas have no line that would widen the view: it stayed at the first step until a mark was drawn."""
    lines = (Line("groups/all_right", "All right"), Line("groups/mixed", "Mixed"))
    chart = shown(ChartSpec("Groups", lines, stacked=True), window)
    told = {"groups/all_right": series([0.25]), "groups/mixed": series([0.25])}
    chart.show_series(told, 0)
    QApplication.processEvents()
    for step in range(2, 12):
        told["groups/all_right"].append(step, 0.25)
        told["groups/mixed"].append(step, 0.75)
        chart.show_series(told, 0)
    QApplication.processEvents()
    chart._plot.box.updateAutoRange()
    across, up = chart._plot.box.viewRange()
    assert across[0] <= 1
    assert across[1] >= 11
    assert up[1] >= 1


def test_a_drawing_is_painted_once(window: QWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    """The range that a first paint took moved the axes, so that each drawing was painted twice."""
    painted: list[CurvePlot] = []
    paint = CurvePlot.paintEvent

    def count(plot: CurvePlot, event: QPaintEvent) -> None:
        painted.append(plot)
        paint(plot, event)

    monkeypatch.setattr(CurvePlot, "paintEvent", count)
    chart = shown(ChartSpec("Reward", (Line("reward", "Reward", band="spread"),)), window)
    window.show()
    chart.show_series({"reward": series([0.1, 0.2]), "spread": series([0.1, 0.1])}, 0)
    QApplication.processEvents()
    QApplication.processEvents()
    painted.clear()
    chart.show_series({"reward": series([0.1, 0.2, 7.0]), "spread": series([0.1, 0.1, 0.1])}, 0)
    for _ in range(3):
        QApplication.processEvents()
    assert len(painted) == 1


@pytest.mark.parametrize(
    "low", [[0.0, 1.0, 0.5, 0.2], [0.0, 1.0, float("nan"), 0.2]], ids=["whole", "in pieces"]
)
def test_a_band_is_the_area_between_its_edges(low: list[float], window: QWidget) -> None:
    steps, high = np.arange(4.0), np.array([1.0, 3.0, 2.0, 0.9])
    edges = [
        pg.PlotCurveItem(steps, values, pen=None) for values in (np.array(low), high + np.array(low) * 0)
    ]
    band, theirs = SoftBand(*edges, "#000000"), pg.FillBetweenItem(*edges)
    inside = [QPointF(1.0, 2.0), QPointF(0.5, 1.2), QPointF(3.0, 0.5), QPointF(1.0, 0.5), QPointF(2.0, 2.5)]
    found = [band.path().contains(point) for point in inside]
    assert found == [theirs.path().contains(point) for point in inside]
    assert True in found
    assert False in found
