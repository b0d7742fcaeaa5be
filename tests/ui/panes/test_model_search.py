# pyright: basic
"""Models looked for and fetched by mouse and keys, from a server that speaks the Hub's language."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.model_files import hub_facts
from droid_tune.model_files.from_hub import hub_download
from droid_tune.paths import starter_model_dir
from tests.hub_server import HubState, bytes_of, in_place_of_the_hub
from tests.ui.spoken_names import nameless
from ui.main_window import MainWindow
from ui.panes.setup.models.download_bar import DownloadBar
from ui.panes.setup.models.hub_sheet import HubSheet
from ui.work.download_desk import DownloadDesk

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LONG_MS = 20_000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubState]:
    monkeypatch.setattr(hub_facts, "_FETCHED", {})
    monkeypatch.setattr(hub_download, "_BLOCK_BYTES", 10_000)
    with in_place_of_the_hub(monkeypatch, str(tmp_path / "cache")) as state:
        yield state


def press(qtbot: QtBot, where: QWidget, text: str) -> None:
    """Once it is seen and can be pressed."""

    def ready() -> list[QPushButton]:
        all_of = where.findChildren(QPushButton)
        return [one for one in all_of if one.text() == text and one.isVisible() and one.isEnabled()]

    qtbot.waitUntil(lambda: bool(ready()), timeout=LONG_MS)
    qtbot.mouseClick(ready()[0], Qt.MouseButton.LeftButton)


@pytest.fixture
def sheet(hub: HubState, window: MainWindow, qtbot: QtBot) -> Iterator[HubSheet]:
    window.show_pane("setup")
    press(qtbot, window.pane("setup"), "Search…")
    made = window.findChild(HubSheet)
    assert made is not None
    qtbot.waitUntil(lambda: "org/large" in shown(made), timeout=LONG_MS)
    yield made
    for one in window.findChildren(HubSheet):
        one.done(0)
    window.pane("setup").shut()


def shown(sheet: HubSheet) -> dict[str, tuple[str, str]]:
    """(detail, badge) of each model in the list."""
    places = (sheet._entries.index(row) for row in range(sheet._entries.rowCount()))
    entries = [entry for place in places if (entry := sheet._entries.entry(place)) is not None]
    return {one.key: (one.detail, one.trailing) for one in entries}


def choose(sheet: HubSheet, name: str) -> None:
    sheet._list.setCurrentIndex(sheet._entries.place_of(name))


def desk_of(window: MainWindow) -> DownloadDesk:
    return window.pane("setup").page.picker.desk


def test_each_model_says_what_it_takes_by_its_real_shapes(sheet: HubSheet, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: all(badge != "weighing…" for _, badge in shown(sheet).values()), timeout=LONG_MS)
    told = shown(sheet)
    assert next(iter(told)) == "starter"
    assert told["starter"][1] == "Fits"
    assert told["org/large"] == ("141 GB · 90,000 downloads", "Too large")
    assert told["org/tiny"] == ("300 KB · 4 bits · 1,200 downloads", "Fits")
    # it does not say how large it is: that is unknown, never fits
    assert told["org/silent"] == ("size not told · 3 downloads", "Unknown")
    assert told["org/gated"] == ("size not told · 800 downloads · gated", "Unknown")
    choose(sheet, "org/silent")
    assert nameless(sheet) == []
    assert "does not say how large it is" in sheet._detail.text()


def test_typing_searches_and_return_uses(
    sheet: HubSheet, window: MainWindow, hub: HubState, qtbot: QtBot
) -> None:
    asked = len(hub.searches)
    qtbot.keyClicks(sheet._search, "tiny")
    qtbot.waitUntil(lambda: list(shown(sheet)) == ["org/tiny"], timeout=LONG_MS)
    assert [one["search"] for one in hub.searches[asked:]] == [["tiny"]]  # once, not for each key
    qtbot.keyClick(sheet._search, Qt.Key.Key_Down)
    assert sheet.choice == "org/tiny"
    qtbot.keyClick(sheet._search, Qt.Key.Key_Return)
    assert window.session.draft.model == "org/tiny"
    assert not sheet.isVisible()


def test_a_folder_that_was_used_before_is_on_this_computer_and_an_id_alone_is_not(
    hub: HubState, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "my-model"
    shutil.copytree(starter_model_dir(), folder)
    window.session.settings.recent_models[:] = [str(folder), "org/tiny"]
    window.show_pane("setup")
    press(qtbot, window.pane("setup"), "Search…")
    sheet = window.findChild(HubSheet)
    qtbot.waitUntil(lambda: {str(folder), "org/tiny"} <= set(shown(sheet)), timeout=LONG_MS)
    assert shown(sheet)[str(folder)][0].startswith("On this computer")
    assert not shown(sheet)["org/tiny"][0].startswith("On this computer")
    sheet.done(0)


def test_words_that_nothing_fits_are_said(sheet: HubSheet, qtbot: QtBot) -> None:
    qtbot.keyClicks(sheet._search, "nothing like it")
    qtbot.waitUntil(lambda: sheet._said.text() == "No model was found for these words.", timeout=LONG_MS)


def test_a_download_is_paused_resumed_and_there(
    sheet: HubSheet, window: MainWindow, hub: HubState, tmp_path: Path, qtbot: QtBot
) -> None:
    hub.seconds_per_block = 0.05
    choose(sheet, "org/tiny")
    press(qtbot, sheet, "Download")
    desk = desk_of(window)
    qtbot.waitUntil(lambda: desk.done_bytes > 50_000, timeout=LONG_MS)
    bar = sheet.findChild(DownloadBar)
    assert bar._said.text().startswith("org/tiny: ")
    press(qtbot, bar, "Pause")
    qtbot.waitUntil(lambda: desk.state == "paused", timeout=LONG_MS)
    assert bar._said.text().endswith(", paused")
    (part,) = tmp_path.rglob("*.part")
    kept = part.stat().st_size
    hub.seconds_per_block = 0
    press(qtbot, bar, "Resume")
    with qtbot.waitSignal(desk.arrived, timeout=LONG_MS):
        pass
    assert hub.ranges == [f"bytes={kept}-"]
    (file,) = tmp_path.rglob("model.safetensors")
    assert file.read_bytes() == bytes_of("model.safetensors", 300_000)
    assert not bar.isVisible()
    assert not desk.busy


def test_a_download_goes_on_when_the_sheet_closes_and_is_cancelled_on_the_page(
    sheet: HubSheet, window: MainWindow, hub: HubState, tmp_path: Path, qtbot: QtBot
) -> None:
    hub.seconds_per_block = 0.1
    choose(sheet, "org/tiny")
    press(qtbot, sheet, "Download")
    desk = desk_of(window)
    qtbot.waitUntil(lambda: desk.done_bytes > 0, timeout=LONG_MS)
    press(qtbot, sheet, "Close")
    page = window.pane("setup")
    bar = page.page.picker.findChild(DownloadBar)
    qtbot.waitUntil(bar.isVisible)
    press(qtbot, bar, "Cancel")
    qtbot.waitUntil(lambda: desk.state == "idle", timeout=LONG_MS)
    assert list(tmp_path.rglob("*.part")) == []
    assert not bar.isVisible()


def test_a_gated_model_says_what_to_do(sheet: HubSheet, window: MainWindow, qtbot: QtBot) -> None:
    choose(sheet, "org/gated")
    press(qtbot, sheet, "Download")
    desk = desk_of(window)
    qtbot.waitUntil(lambda: desk.state == "failed", timeout=LONG_MS)
    bar = sheet.findChild(DownloadBar)
    assert "agree on huggingface.co/org/gated, then put your access token into Settings" in bar._fault.text()
    press(qtbot, bar, "Cancel")
    qtbot.waitUntil(lambda: not desk.busy)


def test_a_model_without_room_is_said_before_anything_is_fetched(
    sheet: HubSheet, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(sheet, "org/large")
    press(qtbot, sheet, "Download")
    desk = desk_of(window)
    qtbot.waitUntil(lambda: desk.state == "failed", timeout=LONG_MS)
    assert "the model org/large takes 141 GB" in desk.fault
    assert not sheet._download.isEnabled()  # one at a time
    desk.cancel()
    qtbot.waitUntil(lambda: not desk.busy)


def test_offline_the_models_on_this_computer_are_offered_and_it_is_said(
    hub: HubState, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    window.show_pane("setup")
    press(qtbot, window.pane("setup"), "Search…")
    sheet = window.findChild(HubSheet)
    qtbot.waitUntil(lambda: "cannot be reached" in sheet._said.text(), timeout=LONG_MS)
    qtbot.waitUntil(lambda: shown(sheet).get("starter", ("", ""))[1] == "Fits", timeout=LONG_MS)
    assert "cannot be reached" in sheet._said.text()
    assert list(shown(sheet)) == ["starter", "tools-starter"]
    sheet.done(0)
