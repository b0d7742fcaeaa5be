# pyright: basic
"""The reward workbench by mouse and keys: written, tried, saved, dropped, laid on a past run, stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config.rewards import computes_here
from droid_tune.errors import UserError
from droid_tune.paths import runs_dir
from droid_tune.trial_report import Agreement, LookedAt, Trial, Try, Verdict
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from tests.ui.spoken_names import nameless
from ui.engine_worker import Engine
from ui.main_window import MainWindow
from ui.panes.setup.workbench.bench_foot import BenchFoot
from ui.panes.setup.workbench.past_view import CHANGE
from ui.panes.setup.workbench.reward_text import ChangedElsewhere, RewardText
from ui.panes.setup.workbench.tries_view import TriesView
from ui.panes.setup.workbench.workbench_sheet import WorkbenchSheet
from ui.session import Session
from ui.theme import Theme
from ui.work.taking_turns import taking_turns

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

OURS = "def f(completion, row):\n    return 0.5\n"
THEIRS = "def f(completion, row):\n    return 0.25\n"

Open = Callable[..., WorkbenchSheet]


def press(qtbot: QtBot, where: QWidget, text: str) -> None:
    """Once it is seen."""

    def seen() -> list[QPushButton]:
        return [one for one in where.findChildren(QPushButton) if one.text() == text and one.isVisible()]

    qtbot.waitUntil(lambda: bool(seen()))
    qtbot.mouseClick(seen()[0], Qt.MouseButton.LeftButton)


@pytest.fixture
def opened(window: MainWindow, qtbot: QtBot) -> Iterator[Open]:
    """The sheet on a reward of the draft, by a press on its card."""

    def make(rewards: list[dict[str, object]], button: str = "Try…") -> WorkbenchSheet:
        window.session.draft.set_rewards(rewards)
        window.session.draft_changed.emit()
        window.show_pane("setup")
        press(qtbot, window.pane("setup"), button)
        sheet = window.findChild(WorkbenchSheet)
        assert sheet is not None
        qtbot.waitUntil(lambda: not sheet.working and sheet.rows.chip.isVisibleTo(sheet))
        return sheet

    yield make
    for sheet in window.findChildren(WorkbenchSheet):
        sheet.done(0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "mine.py"
    made.write_text(OURS)
    return made


def edits(file: Path) -> list[dict[str, object]]:
    return [{"type": "user_file", "weight": 1.0, "path": str(file)}]


def type_anew(qtbot: QtBot, sheet: WorkbenchSheet, text: str) -> None:
    sheet.editor.code.selectAll()
    for number, line in enumerate(text.splitlines()):
        if number:
            qtbot.keyClick(sheet.editor.code, Qt.Key.Key_Return)
        qtbot.keyClicks(sheet.editor.code, line)


def test_a_built_in_reward_is_tried_as_soon_as_the_sheet_opens(opened: Open, engine: FakeEngine) -> None:
    sheet = opened([{"type": "accuracy", "weight": 1.0}])
    assert not sheet.editor.isVisible()
    assert sheet.rows.words.text() == "It can tell."
    assert engine.benched[0].config["rewards"] == [{"type": "accuracy", "weight": 1.0}]
    assert engine.benched[0].config["data"] == {}
    assert sheet.rows.model.rowCount() == 2


def test_why_a_reward_failed_stands_above_the_table(qtbot: QtBot) -> None:
    view = TriesView(None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(view)
    why = "The reward `mine` failed on completion 2 (mine.py:4): AttributeError"
    tries = [Try(0, "own answer", "2 + 2?", "4", 1.0), Try(0, "empty", "2 + 2?", "", None, failures=[why])]
    view.show_trial(Trial(tries, [], {}, Verdict("weak", ["It failed."]), Agreement(1, 0, 0)))
    assert view.notes.text().startswith(
        "The reward “mine” failed on completion 2 (mine.py:4): AttributeError"
    )


def test_all_rewards_are_tried_together(opened: Open, engine: FakeEngine) -> None:
    rewards: list[dict[str, object]] = [
        {"type": "accuracy", "weight": 1.0},
        {"type": "repetition", "weight": 0.5},
    ]
    sheet = opened(rewards, "Try Rewards…")
    assert sheet._head.rewards.currentText() == "All together, as weighted"
    assert engine.benched[0].config["rewards"] == rewards


@pytest.mark.parametrize("kind", ["model", "reward_model"])
def test_a_reward_that_asks_a_model_waits_for_the_run_that_trains(
    kind: str, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    judge: dict[str, object] = {"type": kind, "model": "m", "path": "m"}
    with taking_turns():
        sheet = WorkbenchSheet(window.session, [judge, {"type": "accuracy"}], 0, window)
        qtbot.waitUntil(lambda: sheet._foot._doing.text().startswith("Waiting for the run that trains"))
        assert engine.benched == []
        sheet._head.choose(1)  # what asks no model does not wait
        qtbot.waitUntil(lambda: len(engine.benched) == 1 and not sheet.working)
        assert not computes_here({"type": "model", "model": "m", "base_url": "http://localhost:1"})
        sheet._head.choose(0)
    qtbot.waitUntil(lambda: len(engine.benched) == 2)
    sheet.done(0)


@pytest.mark.parametrize(
    ("told", "said"),
    [("/data/valid.jsonl", "valid.jsonl"), ("valid.jsonl", "valid.jsonl"), ("scoring", "Scoring")],
)
def test_a_file_in_hand_is_called_as_it_is(told: str, said: str, qtbot: QtBot, theme: Theme) -> None:
    around = QWidget()
    qtbot.addWidget(around)
    foot = BenchFoot(around)
    foot.show_progress(1, 2, told)
    assert foot._doing.text() == said


def test_a_text_is_looked_at_while_it_is_typed_and_tried_as_it_stands(
    opened: Open, engine: FakeEngine, file: Path, qtbot: QtBot
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    type_anew(qtbot, sheet, "def f(completion, row):\nreturn (")
    assert sheet.rows.chip.text() == "Before your last change"
    assert nameless(sheet) == []
    qtbot.waitUntil(lambda: not sheet.editor.ready)
    assert sheet.editor._said.text() == "Line 2: it was never closed."
    assert not sheet._foot.try_button.isEnabled()
    assert len(sheet.editor.code.extraSelections()) == 1
    qtbot.keyClicks(sheet.editor.code, "1)")
    assert sheet.editor.text == "def f(completion, row):\n    return (1)"  # indented below a colon
    qtbot.waitUntil(lambda: sheet.editor.ready)
    qtbot.keyClick(sheet.editor.code, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: sheet.rows.words.text() == "It cannot tell.")
    assert engine.benched[-1].unsaved == {str(file): sheet.editor.text}
    assert file.read_text() == OURS
    assert sheet.editor._edited.isVisible()


def test_another_theme_is_no_change_of_the_text(
    opened: Open, engine: FakeEngine, file: Path, theme: Theme, qtbot: QtBot
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    looks = len(engine.looked)
    theme.apply("dark")
    theme.apply("light")
    qtbot.wait(600)
    assert sheet.rows.chip.text() != "Before your last change"
    assert len(engine.looked) == looks


def test_save_writes_the_file_and_the_draft_keeps_its_place(
    opened: Open, window: MainWindow, file: Path, qtbot: QtBot
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    sheet.editor.code.setPlainText(THEIRS)
    press(qtbot, sheet, "Save")
    assert file.read_text() == THEIRS
    assert not sheet.editor.unsaved
    assert window.session.draft.rewards[0]["path"] == str(file)


def test_a_file_that_another_program_changed_is_never_overwritten_unasked(
    opened: Open, file: Path, qtbot: QtBot
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    file.write_text(THEIRS)
    sheet.editor.code.setPlainText("mine = 1\n")
    press(qtbot, sheet, "Save")
    assert file.read_text() == THEIRS
    assert "was changed by another program" in sheet.editor.notices.bars()[0]._said.text()
    press(qtbot, sheet, "Read Again")
    assert sheet.editor.text == THEIRS
    sheet.editor.code.setPlainText("mine = 2\n")
    file.write_text(OURS)
    press(qtbot, sheet, "Save")
    press(qtbot, sheet, "Overwrite")
    assert file.read_text() == "mine = 2\n"
    assert sheet.editor.notices.bars() == []


def test_new_begins_with_the_template_and_is_saved_where_a_person_says(
    opened: Open,
    window: MainWindow,
    file: Path,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    press(qtbot, sheet, "New")
    assert sheet.editor.text.startswith('"""A reward of your own for Droid Tune.')
    assert "new-reward" in sheet.editor.place
    target = tmp_path / "other.py"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(qtbot, sheet, "Save")
    assert target.read_text() == sheet.editor.text
    assert window.session.draft.rewards[0]["path"] == str(target)
    assert file.read_text() == OURS


def test_closing_asks_about_a_text_that_is_not_saved(opened: Open, file: Path, qtbot: QtBot) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    sheet.editor.code.setPlainText(THEIRS)
    press(qtbot, sheet, "Close")
    assert sheet.isVisible()
    assert "is not saved" in sheet.editor.notices.bars()[0]._said.text()
    press(qtbot, sheet, "Do Not Save")
    assert not sheet.isVisible()
    assert file.read_text() == OURS


def test_a_sheet_that_closes_while_its_text_is_looked_at_begins_nothing_any_more(
    window: MainWindow, engine: FakeEngine, file: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a thread would be begun by a sheet that is about to be deleted."""
    may_answer = threading.Event()
    look = engine.look_at_reward

    def slow(path: str, text: str, function: str) -> LookedAt:
        assert may_answer.wait(120)
        return look(path, text, function)

    monkeypatch.setattr(engine, "look_at_reward", slow)
    window._opening.open_paths([file])
    sheet = window.findChild(WorkbenchSheet)
    assert sheet is not None
    sheet.done(0)
    may_answer.set()
    qtbot.waitUntil(lambda: not window.findChildren(WorkbenchSheet))
    qtbot.waitUntil(lambda: len(engine.looked) > 0)
    qtbot.wait(50)
    assert engine.benched == []


def drop(sheet: WorkbenchSheet, *files: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(one)) for one in files])
    sheet.editor.dropEvent(
        QDropEvent(
            QPointF(20, 20),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def test_a_dropped_file_becomes_the_reward(
    opened: Open, window: MainWindow, file: Path, tmp_path: Path
) -> None:
    sheet = opened(edits(file), "Edit and Try…")
    other = tmp_path / "other.py"
    other.write_text(THEIRS)
    note = tmp_path / "note.txt"
    note.write_text("no reward")
    drop(sheet, note)
    drop(sheet, other)
    assert sheet.editor.text == THEIRS
    assert window.session.draft.rewards[0]["path"] == str(other)


def test_a_python_file_that_falls_on_the_window_is_a_reward_to_try(
    window: MainWindow, file: Path, qtbot: QtBot
) -> None:
    window.session.draft.set_rewards([{"type": "accuracy", "weight": 1.0}])
    window.session.draft_changed.emit()
    window._opening.open_paths([file])
    sheet = window.findChild(WorkbenchSheet)
    assert sheet is not None
    assert sheet.editor.text == OURS
    assert [one["type"] for one in window.session.draft.rewards] == ["accuracy", "user_file"]
    assert window.session.draft.rewards[1]["path"] == str(file)
    sheet.done(0)
    window._opening.open_paths([file])  # it is one already
    assert len(window.session.draft.rewards) == 2
    for one in window.findChildren(WorkbenchSheet):
        one.done(0)


def test_a_past_run_is_scored_anew_completion_by_completion(
    opened: Open, window: MainWindow, qtbot: QtBot
) -> None:
    write_run(runs_dir() / "past", complete(3))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    sheet = opened([{"type": "accuracy", "weight": 1.0}])
    assert not sheet._foot.score_button.isEnabled()
    sheet._head.runs.setCurrentIndex(1)
    press(qtbot, sheet, "Score Run Anew")
    qtbot.waitUntil(lambda: "scored anew, nothing was trained" in sheet.past.words.text())
    assert list(sheet.past._series["would"].values) == [1.0, 2.0, 3.0]
    assert list(sheet.past._series["was"].values) == [0.0, 0.0, 0.0]
    model = sheet.past.model
    changes = [model.data(model.index(row, CHANGE)) for row in range(model.rowCount())]
    assert changes == ["+3", "+2", "+1"]  # the greatest first
    assert nameless(sheet) == []


def test_stop_ends_it_and_keeps_what_was_scored(
    opened: Open, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    write_run(runs_dir() / "past", complete(3))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    sheet = opened([{"type": "accuracy", "weight": 1.0}])
    sheet._head.runs.setCurrentIndex(1)
    engine.hold_at = 0
    press(qtbot, sheet, "Score Run Anew")
    qtbot.waitUntil(lambda: len(sheet.past._series["would"]) == 3)
    press(qtbot, sheet, "Stop")
    qtbot.waitUntil(lambda: not sheet.working)
    assert sheet.isVisible()
    assert sheet.past.words.text().startswith("Stopped.")
    assert sheet.past.model.rowCount() == 3
    assert sheet._foot.close_button.text() == "Close"


def test_why_nothing_could_be_tried_stands_in_the_place_of_the_verdict(
    opened: Open, engine: FakeEngine
) -> None:
    engine.failure = UserError("The rows have no answers")
    sheet = opened([{"type": "accuracy", "weight": 1.0}])
    assert sheet.rows.chip.text() == "Could not be tried"
    assert sheet.rows.words.text() == "The rows have no answers."


class TestRewardText:
    def test_its_line_ends_and_rights_stay(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.py"
        file.write_bytes(b"a = 1\r\nb = 2\r\n")
        file.chmod(0o640)
        text = RewardText.opened(file)
        assert text.saved == "a = 1\r\nb = 2\r\n"
        text.save("a = 3\r\n")
        assert file.read_bytes() == b"a = 3\r\n"
        assert file.stat().st_mode & 0o777 == 0o640
        assert [one.name for one in tmp_path.glob("*mine*")] == ["mine.py"]

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real.py").write_text(OURS)
        link = tmp_path / "link.py"
        link.symlink_to("real.py")
        RewardText.opened(link).save(THEIRS)
        assert link.is_symlink()
        assert (tmp_path / "real.py").read_text() == THEIRS

    def test_a_change_elsewhere_is_found(self, file: Path) -> None:
        text = RewardText.opened(file)
        file.write_text(THEIRS)
        with pytest.raises(ChangedElsewhere):
            text.save("mine = 1\n")
        assert file.read_text() == THEIRS

    def test_a_file_that_is_gone_is_written_again(self, file: Path) -> None:
        text = RewardText.opened(file)
        file.unlink()
        text.save(THEIRS)
        assert file.read_text() == THEIRS

    def test_what_is_no_text_is_said(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UserError, match="cannot be read"):
            RewardText.opened(file)


@pytest.mark.slow
def test_the_real_engine_answers_the_sheet(
    qtbot: QtBot, open_window: Callable[[Session], MainWindow], file: Path
) -> None:
    from ui.settings import Settings

    window = open_window(Session(Engine(), Settings()))
    window.show_pane("setup")
    window._opening.open_paths([file])
    sheet = window.findChild(WorkbenchSheet)
    assert sheet is not None
    qtbot.waitUntil(lambda: sheet.rows.chip.isVisibleTo(sheet), timeout=60_000)
    assert sheet.rows.words.text().startswith("Every completion got 0.5")
    assert sheet.rows.chip.text() == "Do not train with it alone"
    sheet.done(0)
