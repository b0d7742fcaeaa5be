"""The Export sheet: what it asks the engine for, how far it is, what it says in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from droid_tune.config.exporting import REQUANTISED, TYPE_LABELS, ExportRequest
from droid_tune.control import Watch
from droid_tune.errors import UserError
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from tests.ui.spoken_names import nameless
from ui.main_window import MainWindow
from ui.one_run.export_sheet import ExportSheet
from ui.panes.runs.pane import RunsPane

REFUSED = (
    "What was written does not answer as the run's model does: its chat template is lost; `--force` keeps it."
)


class ExportingEngine(FakeEngine):
    """Refuses what is not forced where it is told to, and holds until it is stopped or let go."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[ExportRequest] = []
        self.uploads: list[tuple[Path, str, bool]] = []
        self.refuses = False
        self.fault: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def export(self, folder: Path, request: ExportRequest, watch: Watch) -> Any:
        self.requests.append(request)
        watch.tell(1, 4, "asking the run's model")
        while not self.go.wait(0.01):
            watch.pause_point()
        if self.fault is not None:
            raise self.fault
        if self.refuses and not request.force:
            raise UserError(REFUSED)
        request.out.mkdir(parents=True)
        (request.out / "config.json").write_text("{}")
        return SimpleNamespace(folder=request.out, sentences=["Held-out accuracy: 80% there, 80% here."])

    def upload(self, folder: Path, repository: str, public: bool, watch: Watch) -> str:
        while not self.go.wait(0.01):
            watch.pause_point()
        if self.fault is not None:
            raise self.fault
        self.uploads.append((folder, repository, public))
        return f"https://hub/{repository}"

    def release(self, *, going_on: bool = False) -> None:
        pass


@pytest.fixture
def engine() -> ExportingEngine:
    return ExportingEngine()


@pytest.fixture
def sheet(
    window: MainWindow, data_home: Path, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExportSheet]:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    write_run(data_home / "runs" / "done", complete(6), steps=6)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.show_pane("runs")
    pane = window.pane("runs")
    assert isinstance(pane, RunsPane)
    pane._actions["export"].click()
    (found,) = pane.findChildren(ExportSheet)
    yield found
    found.reject()
    found.reject()


def choose(sheet: ExportSheet, target: str) -> None:
    sheet._target.setCurrentIndex(sheet._target.findData(target))


def ended(sheet: ExportSheet, qtbot: QtBot) -> str:
    qtbot.waitUntil(lambda: sheet._export.isEnabled())
    return sheet._said.text()


def test_each_target_offers_its_types_and_its_usual_place(sheet: ExportSheet, tmp_path: Path) -> None:
    name = sheet.request().out.name
    choose(sheet, "gguf")
    offered = [sheet._type.itemData(place) for place in range(sheet._type.count())]
    assert offered == ["none", "bf16", "f16", "q8_0", "q4_0"]
    choose(sheet, "lmstudio")
    assert sheet.request().out.parent == tmp_path / ".lmstudio" / "models" / "droid-tune"
    sheet._folder.setText("/somewhere/of/mine")
    choose(sheet, "fused")
    assert sheet.request().out == Path("/somewhere/of/mine")
    assert name.endswith("-adapter")
    assert [sheet._type.itemText(place) for place in (0, 1)] == [TYPE_LABELS["keep"], REQUANTISED]
    assert (sheet.request().requantise, sheet.request().type) == (False, "keep")
    sheet._type.setCurrentIndex(1)
    assert (sheet.request().requantise, sheet.request().type) == (True, "keep")


def test_what_was_written_is_told_with_how_it_compares(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    assert nameless(sheet) == []
    choose(sheet, "fused")
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._export.click()
    assert ended(sheet, qtbot) == f"Written to {tmp_path}/out.\nHeld-out accuracy: 80% there, 80% here."
    assert engine.requests == [ExportRequest("fused", tmp_path / "out", weights="keep")]
    assert sheet._show.isVisible()
    assert not sheet._keep.isVisible()


def test_what_is_refused_can_be_kept_all_the_same(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    engine.refuses = True
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._export.click()
    assert "its chat template is lost; “Keep It All the Same” keeps it" in ended(sheet, qtbot)
    sheet._keep.click()
    assert "Written to" in ended(sheet, qtbot)
    assert [request.force for request in engine.requests] == [False, True]


def test_a_package_that_is_missing_is_told_in_a_sentence(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    engine.fault = ModuleNotFoundError("No module named 'gguf'", name="gguf")
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._export.click()
    said = ended(sheet, qtbot)
    assert said.startswith("The package “gguf”, which this needs, cannot be loaded")
    assert "Error" not in said


def test_it_is_stopped_half_way_and_says_so(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    engine.go.clear()
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._export.click()
    qtbot.waitUntil(lambda: sheet._said.text() == "Asking the run's model…")
    assert (sheet._bar.value(), sheet._bar.maximum()) == (1, 4)
    assert sheet._close.text() == "Stop"
    sheet._close.click()
    assert ended(sheet, qtbot) == "Stopped; nothing was kept."
    assert sheet.isVisible()


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_the_hub_gets_the_folder_that_was_written(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(sheet, "hub")
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._export.click()
    ended(sheet, qtbot)
    (tmp_path / "out" / ".DS_Store").write_text("stays here")
    sheet._upload.click()
    assert sheet._said.text().startswith("Name the repository as owner/name")
    sheet._repository.setText("me/model")
    assert sheet._upload.isVisible()
    for answer in ("Cancel", "Upload"):
        assert engine.uploads == []
        sheet._upload.click()
        box = sheet.findChildren(QMessageBox)[-1]
        assert box.windowModality() == Qt.WindowModality.WindowModal  # a sheet, on a Mac
        assert box.informativeText() == "config.json  2 bytes"
        next(one for one in box.buttons() if one.text().replace("&", "") == answer).click()
    assert ended(sheet, qtbot) == "Uploaded: https://hub/me/model"
    assert engine.uploads == [(tmp_path / "out", "me/model", False)]


def test_an_upload_that_did_not_come_to_its_end_can_be_tried_again(
    sheet: ExportSheet, engine: ExportingEngine, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(sheet, "hub")
    sheet._folder.setText(str(tmp_path / "out"))
    sheet._repository.setText("me/model")
    sheet._export.click()
    ended(sheet, qtbot)
    engine.go.clear()
    sheet.start_upload()
    sheet._close.click()
    assert ended(sheet, qtbot) == "Stopped; the folder is kept."
    assert sheet._upload.isVisible()
    engine.go.set()
    engine.fault = UserError("me/model: the Hugging Face Hub cannot be reached; the folder is kept")
    sheet.start_upload()
    assert "the folder is kept" in ended(sheet, qtbot)
    assert sheet._upload.isVisible()
    engine.fault = None
    sheet.start_upload()
    assert ended(sheet, qtbot) == "Uploaded: https://hub/me/model"
    assert not sheet._upload.isVisible()


def export_by_menu(window: MainWindow) -> None:
    next(one for one in window.findChildren(QAction) if one.text() == "Export…").trigger()


def test_the_menu_exports_the_run_that_is_shown(sheet: ExportSheet, window: MainWindow) -> None:
    export_by_menu(window)
    assert window.findChildren(ExportSheet)[-1]._run.id == "done"


@pytest.mark.usefixtures("data_home")
def test_without_a_result_the_menu_says_so(window: MainWindow) -> None:
    export_by_menu(window)
    assert window.findChildren(ExportSheet) == []
