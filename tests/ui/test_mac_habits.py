"""Battery and heat, what is spoken, contrast, the runs folder: each over injected readings, none by a clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config import resolve
from droid_tune.events import Evaluation
from droid_tune.machine.power import PowerReading
from droid_tune.paths import runs_dir, settings_file
from droid_tune.runs.series import Series
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from tests.ui.spoken_names import nameless
from ui.frame.help_window import HelpWindow
from ui.frame.power_watch import PowerWatch
from ui.frame.spoken import Spoken
from ui.main_window import MainWindow
from ui.panes.monitor.steer_sheet import SteerSheet
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.settings.pane import SettingsPane
from ui.panes.setup.check_view import CheckView
from ui.panes.table import PANES_BY_KEY
from ui.session import Session
from ui.theme import DARK, LIGHT, Theme, Tokens, current_theme, strengthened
from ui.widgets.chart import Chart
from ui.widgets.charting.chart_spec import ChartSpec, Line
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.values_sheet import ValuesSheet

LOW = PowerReading(0.1, plugged_in=False)
FINE = PowerReading(0.9, plugged_in=True)


@pytest.fixture
def held(session: Session, engine: FakeEngine, qtbot: QtBot) -> Iterator[Session]:
    """A run that waits at its third step."""
    engine.hold_at = 2
    session.draft.set("training.iterations", 4)
    session.train(session.draft.config())
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    yield session
    session.stop()
    qtbot.waitUntil(lambda: not session.training)


def watch_of(session: Session) -> tuple[PowerWatch, list[str]]:
    told: list[str] = []
    session.told.connect(lambda level, text, remedy: told.append(text))
    return PowerWatch(session, session, lambda: FINE), told


def test_a_low_battery_holds_the_run_and_power_lets_it_go_on(held: Session) -> None:
    watch, told = watch_of(held)
    watch.judge(FINE)
    assert not held.paused
    watch.judge(LOW)
    assert held.paused
    assert told == ["Training is paused: the battery has 10%."]
    watch.judge(FINE)
    assert not held.paused


def test_whoever_continues_is_not_held_again_for_the_same_reason(held: Session) -> None:
    watch, told = watch_of(held)
    watch.judge(LOW)
    held.toggle_pause()
    watch.judge(LOW)
    assert not held.paused
    watch.judge(FINE)
    watch.judge(LOW)
    assert held.paused
    assert len(told) == 2


def test_a_pause_of_the_users_own_stays(held: Session) -> None:
    watch, _ = watch_of(held)
    held.toggle_pause()
    watch.judge(LOW)
    watch.judge(FINE)
    assert held.paused


def test_the_settings_say_when(held: Session) -> None:
    watch, _ = watch_of(held)
    held.settings.pause_below = 0
    watch.judge(LOW)
    assert not held.paused
    held.settings.pause_below = 50
    watch.judge(PowerReading(0.4, plugged_in=False))
    assert held.paused


# --- spoken ---------------------------------------------------------------------------------------------------------


def test_begin_pause_best_and_end_are_spoken(
    session: Session, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    said: list[str] = []
    spoken = Spoken(session, window, said.append)
    engine.hold_at = 2
    session.draft.set("training.iterations", 4)
    session.train(session.draft.config())
    spoken.follow()
    qtbot.waitUntil(lambda: session.live is not None and session.live.step == 2)
    assert session.live is not None
    session.live.apply(Evaluation(step=2, metrics={"eval/accuracy": 0.5}, rows=4))
    spoken.follow()
    session.toggle_pause()
    session.toggle_pause()
    session.stop()
    qtbot.waitUntil(lambda: not session.training)
    spoken.follow()
    assert said[0] == "Training begins."
    assert "Best so far: held-out accuracy 50% at step 2." in said
    assert "Training is paused at step 2." in said
    assert "The run is being saved." in said
    assert said[-1] == "Training was stopped after 2 steps."


# --- contrast -------------------------------------------------------------------------------------------------------


def luminance(name: str) -> float:
    """WCAG 2's relative luminance."""
    color = QColor(name)
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (color.redF(), color.greenF(), color.blueF())
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_high_contrast_is_seven_to_one_for_words_and_three_for_lines(tokens: Tokens) -> None:
    strong = strengthened(tokens)
    for ground in (strong.window, strong.surface):
        for words in (strong.text, strong.secondary, strong.tertiary):
            assert contrast(words, ground) >= 7
        assert contrast(strong.border, ground) >= 3


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_the_usual_words_are_read_too(tokens: Tokens) -> None:
    for words in (tokens.text, tokens.secondary):
        assert contrast(words, tokens.surface) >= 4.5


def reached_by_tab(pane: QWidget) -> list[str]:
    """What Tab goes to in a pane, by its name, in order."""
    parts, one = list[QWidget](), pane.nextInFocusChain()
    while one is not None and one is not pane:
        if pane.isAncestorOf(one) and one.isVisible() and one.focusPolicy() & Qt.FocusPolicy.TabFocus:
            parts.append(one)
        one = one.nextInFocusChain()
    return [part.accessibleName() or str(part.property("text")) for part in parts]


def test_tab_goes_from_top_to_bottom_and_gets_out_of_every_field(
    window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "done", complete(60, answered=True))
    for step in (2, 4):
        (folder / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(folder)
    for key, order in {
        "data": ["Show: Rows", "Go to row", "Split: Train", "Rows"],
        "result": ["Export…", "Plot: Held-out accuracy", "Which prompts: Most Telling"],
        "runs": ["Runs", "Move to Trash", "Checkpoint", "Metric to compare"],
        "playground": ["Trained model", "Add Column", "Your question", "Ask"],
    }.items():
        window.show_pane(key)
        pane = window.pane(key)
        qtbot.waitUntil(lambda pane=pane, order=order: set(order) <= set(reached_by_tab(pane)))
        assert [name for name in reached_by_tab(pane) if name in order] == order
    field = cast("PlaygroundPane", window.pane("playground"))._prompt
    assert field.tabChangesFocus()


@pytest.mark.parametrize("restless", [False, True])
def test_curves_of_one_chart_differ_in_more_than_hue(window: MainWindow, restless: bool) -> None:
    names = "abcdefgh"
    chart = Chart(ChartSpec("Eight", tuple(Line(name, name.upper()) for name in names)), window)
    series = Series()
    for step in range(200):
        series.append(step, step % 2 if restless else step / 200)
    chart.show_series(dict.fromkeys(names, series), 0)
    shapes = {id(marks.color): marks.shape for marks in chart._curves.layer.marks}
    looks = {
        (one.curve.opts["pen"].style(), shapes.get(id(one._color)), tuple(one.marks.places))
        for one in chart._curves.items
    }
    assert len({look[:2] for look in looks}) == len(names)
    assert len({place for look in looks for place in look[2]}) == sum(len(look[2]) for look in looks)
    assert len({sign for _, _, sign in chart._head._entries}) == len(
        names
    )  # and the legend says which is which


class AskedFor(QObject):
    """The system's wishes as Qt tells them from 6.10 on."""

    contrastPreferenceChanged = Signal(int)  # noqa: N815
    wish = "NoPreference"
    scheme = Qt.ColorScheme.Light

    def colorScheme(self) -> Qt.ColorScheme:
        return self.scheme

    def setColorScheme(self, scheme: Qt.ColorScheme) -> None:
        pass

    def accessibility(self) -> AskedFor:
        return self

    def contrastPreference(self) -> str:
        return f"ContrastPreference.{self.wish}"


def test_the_systems_wish_for_contrast_is_followed_while_it_changes(
    theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = AskedFor()
    monkeypatch.setattr(QGuiApplication, "styleHints", lambda *_: system)
    theme.follow_contrast()
    system.wish = "HighContrast"
    system.contrastPreferenceChanged.emit(1)
    assert theme.tokens.text in ("#000000", "#ffffff")
    system.wish = "NoPreference"
    system.contrastPreferenceChanged.emit(0)
    assert theme.tokens in (LIGHT, DARK)


def test_dark_mode_follows_the_system_unless_a_person_chose(
    theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = QGuiApplication.styleHints().colorSchemeChanged
    system = AskedFor()
    monkeypatch.setattr(QGuiApplication, "styleHints", lambda *_: system)
    try:
        theme.apply("system")
        assert not theme.dark
        system.scheme = Qt.ColorScheme.Dark
        changed.emit(Qt.ColorScheme.Dark)
        assert theme.dark
        theme.apply("light")
        changed.emit(Qt.ColorScheme.Dark)
        assert not theme.dark
    finally:
        theme.apply("light")


def test_contrast_is_switched_in_the_settings(window: MainWindow) -> None:
    window.show_pane("settings")
    theme = current_theme()
    try:
        theme.strengthen(True)
        assert theme.tokens.text in ("#000000", "#ffffff")
    finally:
        theme.strengthen(False)
    assert theme.tokens in (LIGHT, DARK)


# --- runs folder ----------------------------------------------------------------------------------------------------


def test_the_runs_folder_is_chosen_for_window_and_terminal(
    window: MainWindow, tmp_path: Path, data_home: Path, qtbot: QtBot
) -> None:
    write_run(tmp_path / "elsewhere" / "one", complete(3))
    window.show_pane("settings")
    pane = window.pane("settings")
    assert isinstance(pane, SettingsPane)
    assert runs_dir() == data_home / "runs"
    with qtbot.waitSignal(window.session.runs_changed):
        pane.keep_runs_in(str(tmp_path / "elsewhere"))
    assert runs_dir() == tmp_path / "elsewhere"
    assert [run.id for run in window.session.runs] == ["one"]
    with qtbot.waitSignal(window.session.runs_changed):
        pane.keep_runs_in("")
    assert runs_dir() == data_home / "runs"


@pytest.mark.parametrize("kept", ["relative/folder", 3, None])
def test_a_runs_folder_that_cannot_be_meant_is_none(kept: object) -> None:
    settings_file().write_text(json.dumps({"runs_folder": kept}), encoding="utf-8")
    assert runs_dir() == settings_file().parent / "runs"


# --- sheets, keyboard ---------------------------------------------------------------------------------------------


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_the_check_is_a_sheet_of_the_window(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    window.pane("setup")._check_signal()  # pyright: ignore
    sheet = window.findChild(CheckView)
    assert sheet is not None
    assert sheet.windowModality() == Qt.WindowModality.WindowModal  # AppKit shows such a dialog as a sheet
    assert sheet.parentWidget() is window
    qtbot.waitUntil(lambda: sheet._close.text() == "Close")
    sheet.reject()


@pytest.mark.parametrize("key", PANES_BY_KEY)
def test_whatever_takes_the_keyboard_has_a_name(
    key: str, window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(write_run(data_home / "runs" / "one", complete(6)))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.show_pane(key)
    assert nameless(window.pane(key)) == []


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_whatever_takes_the_keyboard_in_a_sheet_has_a_name(window: MainWindow) -> None:
    series = Series()
    series.append(1, 0.5)
    lines = (Line("reward", "Reward"),)
    sheets = [
        SteerSheet(resolve({}), window),
        ValuesSheet("Reward", lines, {"reward": series}, ScaleAcross(), window),
    ]
    for sheet in (*sheets, HelpWindow(window), window._find_bar):  # pyright: ignore[reportPrivateUsage]
        assert nameless(sheet) == []
        sheet.close()


# --- the close button -----------------------------------------------------------------------------------------------


def test_the_dot_says_that_a_run_is_not_finished(
    session: Session, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.hold_at = 1
    assert not window.isWindowModified()
    session.train(session.draft.config())
    assert window.isWindowModified()
    session.stop()
    qtbot.waitUntil(lambda: not session.training)
    assert not window.isWindowModified()


def test_every_habit_of_a_mac_has_a_test_that_is_there(project_root: Path) -> None:
    text = (project_root / "packaging" / "MAC-CHECKLIST.md").read_text(encoding="utf-8")
    rows = text.partition("## The habits")[2].splitlines()
    habits = [row for row in rows if row.startswith("| ") and not row.startswith("| Habit")]
    assert len(habits) == 23
    for habit in habits:
        named = [
            word.strip("`,") for word in habit.split("|")[2].split() if word.strip("`").startswith("tests/")
        ]
        assert named, habit
        for name in named:
            file, _, test = name.partition("::")
            assert test, habit  # a whole file shows nothing
            assert f"def {test}(" in (project_root / file).read_text(encoding="utf-8"), habit
