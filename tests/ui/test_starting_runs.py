"""Starting from an earlier run: which can be chosen, and what is said of one that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config.model_and_data import ModelConfig
from droid_tune.runs.folder import list_runs
from tests.ui.recording import complete, recorded, write_run
from tests.weights import model_folder
from ui.form.fields import spec_of
from ui.form.form import SettingRow
from ui.form.run_picker import BROWSE, RunEditor
from ui.form.starting_runs import Start, misfit, startable
from ui.main_window import MainWindow


def with_result(folder: Path) -> Path:
    write_run(folder, complete(60))
    (folder / "adapters.safetensors").touch()
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def other_model(tmp_path: Path) -> str:
    """A model folder of another size than the starter's."""
    return str(model_folder(tmp_path / "other", model_type="llama", hidden_size=1024, num_hidden_layers=3))


@pytest.fixture
def picker(qtbot: QtBot) -> Iterator[RunEditor]:
    page = QWidget()
    qtbot.addWidget(page)
    row = SettingRow(spec_of("model.start_from", ModelConfig.model_fields["start_from"]), page)
    assert isinstance(row.editor, RunEditor)
    yield row.editor
    page.close()


def test_runs_with_a_result_can_be_started_from(data_home: Path) -> None:
    with_result(data_home / "runs" / "done")
    write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    (found,) = startable(list_runs())
    assert found.value == "done"
    assert found.words.startswith("GRPO starter · step 60 · today")


def test_a_run_of_the_same_model_fits(data_home: Path) -> None:
    with_result(data_home / "runs" / "done")
    assert misfit("done", "starter") == ""
    assert misfit(str(data_home / "runs" / "done"), "starter") == ""


def test_a_run_of_another_model_is_named_with_its_model(data_home: Path, other_model: str) -> None:
    with_result(data_home / "runs" / "done")
    said = misfit("done", other_model)
    assert said.startswith("done trained starter, whose layers are not those of")
    assert said.endswith("choose that model, or another run.")


def test_what_is_no_run_or_has_no_result_is_said(data_home: Path) -> None:
    write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    assert misfit("half", "starter").startswith("half has no result to start from")
    assert misfit("nowhere", "starter").startswith("There is no run and no folder nowhere")


def test_the_picker_lists_runs_and_keeps_a_choice_that_is_not_among_them(picker: RunEditor) -> None:
    picker.show_value("/somewhere/else/my-run")
    picker.offer_runs([Start("done", "GRPO starter · step 60")])
    assert picker._combo.currentText() == "my-run"
    picker.show_value("done")
    assert picker._combo.currentText() == "GRPO starter · step 60"
    picker.show_value("")
    assert picker._combo.currentText() == "No run: start fresh"


def test_browsing_tells_the_folder_or_nothing(
    picker: RunEditor, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", "/runs/mine"])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(answers))
    last = picker._combo.count() - 1
    assert picker._combo.itemText(last) == BROWSE
    with qtbot.assertNotEmitted(picker.edited):
        picker._combo.activated.emit(last)
    with qtbot.waitSignal(picker.edited) as edited:
        picker._combo.activated.emit(last)
    assert edited.args == ["/runs/mine"]


def test_the_form_offers_the_runs_and_says_what_does_not_fit(
    window: MainWindow, data_home: Path, other_model: str, qtbot: QtBot
) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    row = pane.page.settings.groups["model"].rows["model.start_from"]
    with_result(data_home / "runs" / "done")
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    qtbot.waitUntil(lambda: row.editor._combo.findData("done") > 0)
    window.session.draft.set_model(other_model)
    row.editor.edited.emit("done")
    pane._validate()
    assert row.fault.startswith("done trained starter")
    window.session.draft.set_model("starter")
    pane._validate()
    assert row.fault == ""


def test_fusing_without_a_run_is_said_at_the_run(window: MainWindow) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    window.session.draft.set("model.start_mode", "fuse")
    pane._validate()
    assert "nothing to fuse" in pane.page.settings.groups["model"].rows["model.start_from"].fault


def test_a_start_that_can_be_no_path_is_told_as_none() -> None:
    assert misfit("x" * 300, "starter").startswith("There is no run and no folder")
