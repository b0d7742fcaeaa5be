"""The window as a person uses it: drop, train, stop, resume, close."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QFileOpenEvent, QImage
from PySide6.QtWidgets import QApplication, QLabel, QMenu, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, recorded, write_run
from ui.app import Application
from ui.background import Task
from ui.frame.drops import is_model_folder
from ui.frame.first_paint import FIRST_PAINT, FirstPaint
from ui.frame.questions.closing_sheet import KEEP_TRAINING, STOP_AND_SAVE, ClosingSheet
from ui.main_window import MainWindow
from ui.panes.data.split_dialog import SplitDialog
from ui.panes.table import PANES_BY_KEY, PaneEntry
from ui.session import Session
from ui.settings import Settings
from ui.theme import current_theme
from ui.widgets.notice import NoticeBar

Open = Callable[[Session], MainWindow]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "my data"
    folder.mkdir()
    row = '{"prompt": "What is one plus one?", "answer": "2"}\n'
    (folder / "train.jsonl").write_text(
        row * 1 + '{"prompt": "Two and two?", "answer": "4"}\n{"prompt": ""}\n'
    )
    return folder


def drop(window: MainWindow, paths: list[Path], *, fall: bool = True) -> None:
    """Real drag events to the QWindow, so that Qt's own dispatch is part of the test."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    handle, copy = window.windowHandle(), Qt.DropAction.CopyAction
    button, modifier = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    middle = QPoint(window.width() // 2, window.height() // 2)
    entered = QDragEnterEvent(middle, copy, mime, button, modifier)
    QApplication.sendEvent(handle, entered)
    QApplication.sendEvent(handle, QDragMoveEvent(middle, copy, mime, button, modifier))
    if fall:
        QApplication.sendEvent(handle, QDropEvent(QPointF(middle), copy, mime, button, modifier))


def press(window: MainWindow, text: str, qtbot: QtBot) -> None:
    found = [made for made in window.findChildren(QPushButton) if made.text() == text and made.isVisible()]
    assert found, f"no visible button {text}"
    qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)


def picture_of(window: MainWindow, text: str) -> QImage:
    (found,) = [made for made in window.findChildren(QPushButton) if made.text() == text and made.isVisible()]
    return found.icon().pixmap(16).toImage()


def banners(window: MainWindow) -> list[str]:
    return [bar.text for bar in window.findChildren(NoticeBar) if bar.isVisible()]


def train_to(window: MainWindow, step: int, qtbot: QtBot) -> None:
    press(window, "Train", qtbot)
    qtbot.waitUntil(lambda: window.session.live is not None and window.session.live.step >= step)


# --- building -------------------------------------------------------------------------------------------------------


def test_building_the_window_reads_neither_mlx_nor_transformers() -> None:
    program = (
        "import sys\n"
        "from ui.app import *\n"
        "app = QApplication([]); Theme(app, 'light'); session = Session(Engine(), load_settings(), app)\n"
        "window = MainWindow(session); window.show(); app.processEvents()\n"
        "from ui.panes.table import PANES_BY_KEY\n"
        "for key in PANES_BY_KEY:\n"
        "    window.show_pane(key); app.processEvents()\n"
        "session.refresh_runs(); app.processEvents()\n"
        "window.close(); QThreadPool.globalInstance().waitForDone()\n"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'torch'} & {name.partition('.')[0] for name in sys.modules}\n"
        "print('heavy:', sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.strip() == "heavy: []"
    assert done.stderr == ""


def test_the_first_paint_waits_for_no_library_that_only_curves_and_estimates_need(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from ui.app import *\n"
        "FIRST_PAINT.close()\n"
        "app = QApplication([]); Theme(app, 'light'); session = Session(Engine(), load_settings(), app)\n"
        "window = MainWindow(session); first = FirstPaint(window); window.show()\n"
        "first.done.connect(app.quit); app.exec()\n"
        "late = {'numpy', 'pyqtgraph', 'psutil', 'tokenizers', 'huggingface_hub', 'droid_tune.data.dataset',"
        " 'droid_tune.estimate.forecast', 'droid_tune.runs.folder'}\n"
        "print(window.current_key(), sorted(late & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DROID_TUNE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.strip() == "setup []", done.stderr


def test_the_types_of_qt_are_made_in_the_windows_thread_before_another_reads_pyqtgraph() -> None:
    program = (
        "import ui.app as app_module\n"
        "from ui.app import *\n"
        "app = QApplication([])\n"
        "def lacking():\n"
        "    return sum(name not in vars(one) for one in (QtCore, QtGui, QtWidgets) for name in dir(one))\n"
        "class Reads(Preload):\n"
        "    def _import(self):\n"
        "        print('lacking:', lacking()); self._answers.post(self, app.quit)\n"
        "print('at first:', lacking() > 100)\n"
        "parent = QObject(); reads = Reads(parent); reads.begin(); app.exec()\n"
        "QThreadPool.globalInstance().waitForDone()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.split("\n")[:2] == ["at first: True", "lacking: 0"], done.stderr


def test_work_in_the_background_waits_for_the_first_paint(qtbot: QtBot, qapp: QApplication) -> None:
    told: list[int] = []
    FIRST_PAINT.close()
    Task(lambda: 7, qapp, done=told.append, failed=pytest.fail).start()
    window = QWidget()
    qtbot.addWidget(window)
    FirstPaint(window).done.connect(FIRST_PAINT.open)
    qtbot.wait(20)
    assert told == []
    window.show()
    qtbot.waitUntil(lambda: told == [7])


@pytest.mark.parametrize("key", PANES_BY_KEY)
def test_each_pane_opens_empty_and_says_what_it_is_for(window: MainWindow, key: str, qtbot: QtBot) -> None:
    window.show_pane(key)
    qtbot.wait(10)
    assert window.pane(key).isVisible()


def test_a_line_of_the_table_is_all_that_the_window_knows_of_a_pane(
    session: Session, open_window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new pane stands in the sidebar and the menu, and another one can lead to it."""
    monkeypatch.setitem(
        PANES_BY_KEY, "notes", PaneEntry("notes", "Notes", "data", "tests.ui.notes_pane:NotesPane")
    )
    monkeypatch.setattr("ui.main_window.PANES", tuple(PANES_BY_KEY.values()))
    window = open_window(session)
    titles = [action.text() for menu in window.menuBar().findChildren(QMenu) for action in menu.actions()]
    assert "Notes" in titles
    window.pane("runs").ask("notes", Path("/a/run"))
    notes = window.pane("notes")
    assert window.current_key() == "notes"
    assert notes.isVisible()
    assert cast(Any, notes).taken == [Path("/a/run")]


def test_the_window_remembers_the_pane_and_the_form(session: Session, open_window: Open) -> None:
    window = open_window(session)
    window.show_pane("runs")
    session.draft.set("training.iterations", 7)
    window.close()
    again = Session(FakeEngine(), session.settings)
    assert session.settings.pane == "runs"
    assert again.draft.value("training.iterations") == 7


# --- drops ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pane", ["setup", "data", "monitor", "playground"])
def test_a_folder_may_fall_anywhere(window: MainWindow, data: Path, pane: str) -> None:
    window.show_pane(pane)
    drop(window, [data])
    assert window.session.draft.data == str(data)
    assert window.current_key() == "data"


def test_the_zone_shows_while_something_hovers_and_goes_when_it_leaves(
    window: MainWindow, data: Path
) -> None:
    drop(window, [data], fall=False)
    assert window._zone.isVisible()
    QApplication.sendEvent(window.windowHandle(), QEvent(QEvent.Type.DragLeave))
    assert not window._zone.isVisible()


def test_a_dropped_model_folder_becomes_the_model(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    drop(window, [tmp_path])
    assert window.session.draft.model == str(tmp_path)
    assert window.current_key() == "setup"


def test_several_files_are_asked_about(window: MainWindow, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.jsonl"
    other.write_text('{"prompt": "Two and two?", "answer": "4"}\n')
    drop(window, [data / "train.jsonl", other])
    dialog = window.findChild(SplitDialog)
    assert dialog is not None
    dialog.choose(other, "valid")
    dialog.accept()
    files = window.session.draft.value("data.files")
    assert files == {"train": [str(data / "train.jsonl")], "valid": [str(other)]}


def test_things_that_do_not_belong_together_are_refused_in_words(
    window: MainWindow, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.jsonl").write_text("")
    drop(window, [data, tmp_path / "other.jsonl"])
    assert window.session.draft.data == "sample"
    assert banners(window) == ["2 things were dropped that do not belong together."]


def test_the_data_pane_says_what_was_found(window: MainWindow, data: Path, qtbot: QtBot) -> None:
    drop(window, [data])
    pane = window.pane("data")
    qtbot.waitUntil(lambda: pane._found is not None and pane._found.path == str(data))
    found = pane._found
    assert (found.report.accepted, found.report.rejected) == (2, 1)
    assert found.issues[0].line == 3
    words = [made.text() for made in pane.findChildren(QLabel) if made.isVisible()]
    assert "2 accepted · 1 rejected" in words


def test_a_folder_without_a_train_file_is_one_sentence(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    drop(window, [tmp_path])
    qtbot.waitUntil(lambda: bool(banners(window)))
    assert "train" in banners(window)[0]


def test_files_asked_for_before_the_window_wait_for_it(qapp: Application, qtbot: QtBot) -> None:
    QApplication.sendEvent(qapp, QFileOpenEvent(QUrl.fromLocalFile("/some/folder")))
    assert qapp.hand_over() == ["/some/folder"]
    with qtbot.waitSignal(qapp.opened) as later:
        QApplication.sendEvent(qapp, QFileOpenEvent(QUrl.fromLocalFile("/other/folder")))
    assert later.args == ["/other/folder"]


def test_no_python_filter_is_asked_about_every_event_of_the_application(project_root: Path) -> None:
    """One took a third of a switch between light and dark."""
    sources = [file.read_text(encoding="utf-8") for file in (project_root / "ui").rglob("*.py")]
    asked = {line.strip() for text in sources for line in text.splitlines() if ".installEventFilter(" in line}
    assert not [line for line in asked if "app" in line.partition(".installEventFilter")[0].lower()]


def test_a_switch_tells_no_widget_over_and_over(qapp: Application, window: MainWindow) -> None:
    """To replace one style sheet by another, Qt tells each widget several times, and lays it out anew each time."""
    told: list[int] = []

    class Listener(QLabel):
        def changeEvent(self, event: QEvent) -> None:
            if event.type() == QEvent.Type.StyleChange:
                told.append(1)
            super().changeEvent(event)

    listener = Listener("text", window)
    listener.show()
    qapp.processEvents()
    told.clear()
    current_theme().apply("dark")
    current_theme().apply("light")
    assert len(told) <= 4


# --- training -------------------------------------------------------------------------------------------------------


def test_train_shows_the_monitor_and_runs_to_its_end(
    session: Session, window: MainWindow, qtbot: QtBot
) -> None:
    session.draft.set("training.iterations", 6)
    press(window, "Train", qtbot)
    assert window.current_key() == "monitor"
    qtbot.waitUntil(lambda: not session.training)
    assert session.live is not None
    assert session.live.life == "completed"
    assert session.live.step == 6
    assert session.engine.threads != ["MainThread"]


def test_stop_is_acknowledged_at_once_and_saves(engine: FakeEngine, window: MainWindow, qtbot: QtBot) -> None:
    engine.hold_at = 3
    train_to(window, 3, qtbot)
    press(window, "Stop", qtbot)
    assert window.session.stopping
    assert window._toolbar.activity._words.text().startswith("Stopping")
    qtbot.waitUntil(lambda: not window.session.training)
    assert window.session.live is not None
    assert window.session.live.life == "stopped"
    assert window.session.live.last_checkpoint is not None


def test_resume_goes_on_with_one_continuous_curve(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    window.session.draft.set("training.iterations", 9)
    engine.hold_at = 4
    train_to(window, 4, qtbot)
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.training and bool(window.session.runs))
    engine.hold_at = None
    window.resume_last()
    qtbot.waitUntil(lambda: not window.session.training)
    assert window.session.live is not None
    assert window.session.live.series["reward"].steps.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert window.session.live.life == "completed"


def test_pause_holds_and_continue_goes_on(engine: FakeEngine, window: MainWindow, qtbot: QtBot) -> None:
    engine.hold_at = 3
    train_to(window, 3, qtbot)
    pausing = picture_of(window, "Pause")
    press(window, "Pause", qtbot)
    assert window.session.paused
    assert picture_of(window, "Continue") != pausing, "two strokes are what it does no more"
    press(window, "Continue", qtbot)
    assert picture_of(window, "Pause") == pausing
    assert not window.session.paused


def test_an_engine_that_breaks_is_said_and_leaves_the_window_ready(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    engine.failure = RuntimeError("out of cheese")
    press(window, "Train", qtbot)
    qtbot.waitUntil(lambda: not window.session.training)
    assert window.session.live is not None
    assert window.session.live.life == "failed"

    def said() -> list[str]:
        return [
            one.text() for one in window.findChildren(QLabel) if one.isVisible() and "cheese" in one.text()
        ]

    qtbot.waitUntil(lambda: bool(said()))
    assert said() == ["The engine met an unexpected error: RuntimeError: out of cheese"], "once"
    assert "out of cheese" in caplog.text
    assert window._toolbar.train.isVisible()


def test_a_fault_in_the_form_keeps_train_from_starting(window: MainWindow, qtbot: QtBot) -> None:
    window.session.draft.set("training.iterations", 0)
    press(window, "Train", qtbot)
    assert not window.session.training
    assert window.current_key() == "setup"
    summary = window.pane("setup")._footer.summary
    assert summary.text().startswith(
        "Training, "
    )  # as the form names it, where it goes away once it is mended
    assert banners(window) == []
    window.session.draft.set("training.iterations", 5)
    window.pane("setup")._validate()
    assert "5 steps" in summary.text()


# --- closing --------------------------------------------------------------------------------------------------------


def test_closing_while_training_asks_and_keep_training_stays(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    train_to(window, 2, qtbot)
    window.close()
    assert window.isVisible()
    assert banners(window) == []
    (sheet,) = window.findChildren(ClosingSheet)
    assert sheet.windowModality() == Qt.WindowModality.WindowModal
    assert sheet.windowFlags() & Qt.WindowType.Sheet == Qt.WindowType.Sheet
    window.close()
    assert len(window.findChildren(ClosingSheet)) == 1
    press(window, KEEP_TRAINING, qtbot)
    assert window.session.training
    assert not window.session.stopping


def test_a_question_that_the_end_of_the_run_answers_goes_away(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    train_to(window, 2, qtbot)
    window.close()
    assert window.findChildren(ClosingSheet)
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.training)
    qtbot.waitUntil(lambda: not window.findChildren(ClosingSheet))
    assert window.isVisible()


def test_stop_and_save_closes_when_the_run_is_saved(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    engine.hold_at = 2
    train_to(window, 2, qtbot)
    window.close()
    stood: list[bool] = []
    window.session.engine_run.ended.connect(lambda *_: stood.append(window.isVisible()))
    press(window, STOP_AND_SAVE, qtbot)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert stood == [True]  # what draws the run's end and what closes have a turn each
    assert window.session.live is not None
    assert window.session.live.life == "stopped"


def test_a_window_closed_while_the_run_is_being_saved_closes_afterwards(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    engine.hold_at = 3
    train_to(window, 3, qtbot)
    window.session.stop()
    window.close()
    assert window.isVisible()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert not window.session.training


def test_closing_an_idle_window_keeps_the_settings(window: MainWindow, data_home: Path) -> None:
    window.close()
    assert (data_home / "settings.json").is_file()


# --- runs on disk ---------------------------------------------------------------------------------------------------


def test_an_interrupted_run_is_offered_once(
    session: Session, open_window: Open, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "cut-off", recorded(60, until=30), state="running")
    window = open_window(session)
    session.refresh_runs()
    qtbot.waitUntil(lambda: bool(banners(window)))
    assert banners(window) == ["“GRPO starter” was interrupted."]
    session.refresh_runs()
    qtbot.wait(50)
    assert len(banners(window)) == 1


def test_a_dismissed_offer_stays_away(data_home: Path, open_window: Open, qtbot: QtBot) -> None:
    write_run(data_home / "runs" / "cut-off", recorded(60, until=30), state="running")
    session = Session(FakeEngine(), Settings(dismissed_runs=["cut-off"]))
    window = open_window(session)
    session.refresh_runs()
    qtbot.waitUntil(lambda: bool(session.runs))
    assert banners(window) == []


def test_a_replayed_run_fills_monitor_and_rollouts(
    session: Session, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = write_run(tmp_path / "old", complete(60))
    with qtbot.waitSignal(session.shown_changed):
        session.show_run(folder)
    window.show_pane("monitor")
    monitor = window.pane("monitor")

    def said(title: str) -> str:
        return next((chart.summary() for chart in monitor.board.charts if chart.spec.title == title), "")

    qtbot.waitUntil(lambda: "Accuracy" in said("Reward parts") and "at step 60" in said("Reward"))
    assert "rising" in said("Reward")
    assert "Format" in said("Reward parts")
    window.show_pane("rollouts")
    rollouts = window.pane("rollouts")
    assert rollouts.by_step._step.text() == "Step 60"
    assert len(rollouts.by_step._groups) == 4


@pytest.mark.parametrize(
    ("files", "model"),
    [
        (("config.json", "model.safetensors"), True),
        (("config.json", "tokenizer_config.json", "pytorch_model.bin"), True),  # refused, but as a model
        (("config.json", "train.jsonl"), False),
        (("train.jsonl",), False),
    ],
)
def test_a_model_folder_is_told_from_data(files: tuple[str, ...], model: bool, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert is_model_folder(tmp_path) is model


# --- going on with the run that is shown -----------------------------------------------------------------------------


def visible_buttons(window: MainWindow) -> set[str]:
    return {made.text() for made in window._toolbar.findChildren(QPushButton) if made.isVisible()}


@pytest.mark.parametrize("pane", ["monitor", "rollouts"])
def test_after_a_stop_the_run_goes_on_where_one_is(
    pane: str, engine: FakeEngine, session: Session, open_window: Open, qtbot: QtBot
) -> None:
    engine.hold_at = 5
    window = open_window(session)
    train_to(window, 4, qtbot)
    window.show_pane(pane)
    press(window, "Stop", qtbot)
    qtbot.waitUntil(lambda: not session.training)
    assert visible_buttons(window) == {"Resume"}
    assert window.focusWidget() is not window._toolbar.resume  # Stop had the mouse, not the keyboard
    folder = session.live_folder
    engine.hold_at = None
    press(window, "Resume", qtbot)
    qtbot.waitUntil(lambda: session.live is not None and session.live.life == "completed", timeout=20_000)
    assert session.live_folder == folder  # no new run
    qtbot.waitUntil(lambda: not session.training)
    assert window.current_key() == {"monitor": "result"}.get(pane, pane)
    assert visible_buttons(window) == {"Train"}


def test_elsewhere_train_begins_the_run_that_is_set_up(
    session: Session, open_window: Open, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    window = open_window(session)
    session.refresh_runs()
    qtbot.waitUntil(lambda: session.shown_folder is not None)
    window.show_pane("setup")
    assert visible_buttons(window) == {"Add to Queue", "Train"}


def test_after_a_relaunch_the_last_run_is_shown_with_resume(
    session: Session, open_window: Open, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "older", complete(60))
    half = write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    status = json.loads((half / "status.json").read_text())
    (half / "status.json").write_text(json.dumps({**status, "updated": status["created"] + 60}))
    window = open_window(session)
    window.show_pane("monitor")
    session.refresh_runs()
    qtbot.waitUntil(lambda: session.shown_folder == half)
    assert session.shown.step == 30
    assert visible_buttons(window) == {"Resume"}


def test_an_offer_to_resume_goes_once_the_run_went_on(
    session: Session, open_window: Open, data_home: Path, qtbot: QtBot
) -> None:
    half = write_run(data_home / "runs" / "half", recorded(60, until=30), state="interrupted")
    status = json.loads((half / "status.json").read_text())
    (half / "status.json").write_text(json.dumps({**status, "saved": 20}))
    window = open_window(session)
    session.refresh_runs()
    qtbot.waitUntil(lambda: any("was interrupted" in text for text in banners(window)))
    window.resume(half)
    qtbot.waitUntil(lambda: session.live is not None and session.live.life == "completed", timeout=20_000)
    assert not [text for text in banners(window) if "was interrupted" in text]
