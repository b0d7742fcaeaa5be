"""The Mac's manners, on any platform: what is a Mac's own is faked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.runs.state import RunState
from tests.ui.fake_engine import FakeEngine
from ui import main_window
from ui.frame import beat
from ui.frame.platform_manners import Wakefulness, show_badge
from ui.mac import dock, install, notifications
from ui.mac.dock import DockMenu
from ui.mac.notifications import Announcer
from ui.mac.proxy_icon import ProxyIcon
from ui.main_window import MainWindow
from ui.session import Session

OpenWindow = Callable[[Session], MainWindow]


@pytest.fixture
def window(open_window: OpenWindow, session: Session) -> MainWindow:
    return open_window(session)


def start(window: MainWindow, qtbot: QtBot) -> None:
    window.session.train(window.session.draft.config())
    assert window.session.training


def stop(window: MainWindow, qtbot: QtBot) -> None:
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.training)


def test_install_adds_all_manners_and_harms_nothing_here(window: MainWindow, qapp: QApplication) -> None:
    install(window, qapp)
    kinds = {type(child) for child in window.children()}
    assert {DockMenu, ProxyIcon, Announcer} <= kinds


def test_dock_menu_offers_stop_only_while_something_trains(window: MainWindow, qtbot: QtBot) -> None:
    manners = DockMenu(window)
    assert not manners.stop.isEnabled()
    start(window, qtbot)
    assert manners.stop.isEnabled()
    assert not manners.resume.isEnabled()
    manners.stop.trigger()
    assert window.session.stopping
    manners.stop.trigger()
    assert not manners.stop.isEnabled()  # asked for twice: there is nothing more to ask
    qtbot.waitUntil(lambda: not window.session.training)


def test_dock_menu_is_handed_over_only_where_qt_has_the_call(window: MainWindow) -> None:
    handed_over: list[bool] = []

    class MacMenu(QMenu):
        def setAsDockMenu(self) -> None:
            handed_over.append(True)

    assert not dock.show_in_dock(QMenu(window))
    assert dock.show_in_dock(MacMenu(window))
    assert handed_over == [True]


def test_proxy_icon_shows_a_folder_that_exists_and_nothing_else(window: MainWindow, tmp_path: Path) -> None:
    ProxyIcon(window)
    window.session.data_changed.emit(str(tmp_path))
    assert window.windowFilePath() == str(tmp_path)
    assert window.windowTitle() == "Droid Tune[*]"
    for absent in ("sample", str(tmp_path / "gone")):
        window.session.data_changed.emit(absent)
        assert window.windowFilePath() == ""


def test_end_of_a_run_is_announced_once_when_the_window_is_not_in_front(
    window: MainWindow, qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[RunState | None] = []
    announcer = Announcer(window, qapp)
    monkeypatch.setattr(announcer, "announce", announced.append)
    monkeypatch.setattr(QApplication, "activeWindow", lambda _: None)
    start(window, qtbot)
    assert announced == []
    stop(window, qtbot)
    assert announced == [window.session.live]


def test_end_of_a_run_is_not_announced_to_who_is_looking(
    window: MainWindow, qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcer = Announcer(window, qapp)
    monkeypatch.setattr(announcer, "announce", lambda run: pytest.fail("announced"))
    monkeypatch.setattr(QApplication, "activeWindow", lambda _: window)
    start(window, qtbot)
    stop(window, qtbot)


def test_whoever_switched_notifications_off_has_none(
    window: MainWindow, qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcer = Announcer(window, qapp)
    monkeypatch.setattr(announcer, "announce", lambda run: pytest.fail("announced"))
    monkeypatch.setattr(QApplication, "activeWindow", lambda _: None)
    window.session.settings.notifications = False
    start(window, qtbot)
    stop(window, qtbot)


def test_unsigned_application_says_it_in_the_window_and_its_icon_bounces_once(
    window: MainWindow, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str, str]] = []
    bounced: list[QWidget] = []
    monkeypatch.setattr(QApplication, "alert", bounced.append)
    window.session.told.connect(lambda *words: said.append(words))
    Announcer(window, qapp).announce(RunState(life="completed", step=1200, total_steps=1200))
    assert said == [("info", "Training is done", "1,200 of 1,200 steps.")]
    assert bounced == [window]


def test_a_failure_is_not_said_twice_in_the_window(window: MainWindow, qapp: QApplication) -> None:
    said: list[object] = []
    window.session.told.connect(lambda *words: said.append(words))
    Announcer(window, qapp).announce(RunState(life="failed", why="Out of memory.", step=3, total_steps=10))
    assert said == []


def test_signed_application_sends_a_notification(
    window: MainWindow, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str]] = []
    announcer = Announcer(window, qapp)
    monkeypatch.setattr(notifications, "may_notify", lambda: True)
    monkeypatch.setattr(announcer, "_notify", lambda title, text: sent.append((title, text)))
    announcer.announce(RunState(life="failed", why="The disk is full.", step=3, total_steps=10))
    assert sent == [("Training failed", "3 of 10 steps. The disk is full.")]


# --- while it trains ------------------------------------------------------------------------------------------------


def test_sleep_is_held_off_by_a_child_that_goes_with_the_run_and_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caffeinate, told = tmp_path / "caffeinate", tmp_path / "told"
    caffeinate.write_text(f'#!/bin/sh\necho "$@" > {told}.part\nmv {told}.part {told}\nexec sleep 600\n')
    caffeinate.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    made = Wakefulness()
    made.keep(True)
    assert made._child is None  # on a Mac only
    monkeypatch.setattr(sys, "platform", "darwin")
    made.keep(True)
    child = made._child
    assert child is not None
    made.keep(True)
    assert made._child is child  # one is enough
    while not told.exists():
        assert child.poll() is None
    assert told.read_text().split() == ["-i", "-w", str(os.getpid())]
    made.keep(False)
    assert child.wait(120) != 0


@pytest.mark.parametrize("wanted", [True, False])
def test_the_window_holds_sleep_off_and_shows_the_percentage_while_a_run_trains(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    kept: list[bool] = []
    badges: list[int | None] = []
    monkeypatch.setattr(window._wakefulness, "keep", kept.append)
    for where in (beat, main_window):
        monkeypatch.setattr(where, "show_badge", badges.append)
    window.session.settings.keep_awake = wanted
    window.session.draft.set("training.iterations", 4)
    engine.hold_at = 2
    start(window, qtbot)
    assert kept[-1] is wanted
    qtbot.waitUntil(lambda: 50 in badges)  # 2 of 4 steps
    bar = window._toolbar.activity._bar
    qtbot.waitUntil(lambda: bar.isVisible() and bar.value() == 500)
    stop(window, qtbot)
    assert kept[-1] is False
    assert badges[-1] is None
    qtbot.waitUntil(lambda: not bar.isVisible())


def test_the_badge_is_a_number_on_the_icon_that_goes_again(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    monkeypatch.setattr(QApplication, "setBadgeNumber", lambda _, number: shown.append(number))
    show_badge(12)
    assert shown == []  # on a Mac only
    monkeypatch.setattr(sys, "platform", "darwin")
    show_badge(34)
    show_badge(None)
    assert shown == [34, 0]


@pytest.mark.parametrize(
    ("executable", "bundle"),
    [
        ("/Applications/Droid Tune.app/Contents/MacOS/droid-tune", "/Applications/Droid Tune.app"),
        ("/usr/bin/python3", None),
        ("/x/MacOS/python", None),
    ],
)
def test_bundle_is_found_from_its_executable(executable: str, bundle: str | None) -> None:
    assert notifications.bundle_of(Path(executable)) == (Path(bundle) if bundle else None)


@pytest.mark.parametrize(
    ("said", "signed"),
    [
        ("Executable=/x\nSignature=adhoc\nTeamIdentifier=not set\n", False),
        ("Executable=/x\nAuthority=Developer ID Application: A (B)\nTeamIdentifier=B\n", True),
        ("", False),
    ],
)
def test_an_ad_hoc_signature_does_not_count(said: str, signed: bool) -> None:
    asked: list[Sequence[str]] = []

    def codesign(command: Sequence[str]) -> str:
        asked.append(command)
        return said

    assert notifications.is_signed(Path("/x.app"), codesign) is signed
    assert asked == [["/usr/bin/codesign", "--display", "--verbose=2", "/x.app"]]


def test_codesign_that_is_missing_says_nothing() -> None:
    assert notifications.run_codesign(["/nonexistent/codesign"]) == ""


def test_no_notification_is_tried_outside_a_bundle() -> None:
    assert not notifications.may_notify()


def test_the_window_and_the_bundle_show_the_same_icon(project_root: Path) -> None:
    from ui.icons import app_icon, pixmap

    drawn = app_icon().pixmap(128).toImage()
    assert drawn == pixmap("app-icon", "#ffffff", 128, 1.0).toImage()
    assert drawn.pixelColor(2, 2).alpha() == 0  # the corners are clear
    assert drawn.pixelColor(64, 64).alpha() == 255
    built_from = (project_root / "packaging" / "appbundle" / "build.py").read_text(encoding="utf-8")
    assert '"app-icon.svg"' in built_from
