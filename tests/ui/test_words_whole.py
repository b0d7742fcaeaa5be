"""Sentences are read whole in a small window, and without marks of code."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.paths import RunPaths
from tests.ui.picture_scenes import SCENES, pane_of
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.table import PANES_BY_KEY
from ui.widgets.basics import column, label, prose, row
from ui.widgets.quiet_combo import QuietCombo

# what Qt's off-screen platform says of each second window
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def cut(where: QWidget) -> list[str]:
    """The texts of labels that are lower, or narrower, than their words."""
    return [
        one.text()
        for one in where.findChildren(QLabel)
        if one.isVisible()
        and one.text()
        and one.wordWrap()
        and one.height() < one.heightForWidth(one.width())
    ]


def marked(where: QWidget) -> list[str]:
    return [one.text() for one in where.findChildren(QLabel) if one.isVisible() and "`" in one.text()]


def test_a_wrapped_label_is_as_tall_as_its_words_in_any_layout(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    lines = column(page)
    beside = row()
    beside.addWidget(label("word " * 40, parent=page, wrap=True), 1)
    beside.addWidget(label("Beside it", parent=page))
    lines.addLayout(beside)
    lines.addWidget(prose("word " * 80, "small", parent=page))
    lines.addStretch(1)
    for width in (900, 300, 140):
        page.resize(width, 900)
        page.show()
        qtbot.waitUntil(lambda: page.width() >= 140 and not cut(page))


def test_what_is_named_in_marks_of_code_stands_in_quotes(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    said = prose("`beta` 3 is too large; see `--set`.", parent=page)
    assert said.text() == "“beta” 3 is too large; see “--set”."
    said.setText("5 ` 6")
    assert said.text() == "5 ` 6"
    said.setText(f"/tmp/{'a' * 80}/b: no file")
    assert said.text() == f"/tmp/{'a' * 32}…{'a' * 24}/b: no file"
    assert "a" * 80 in said.toolTip()
    assert label("`mine`", parent=page).text() == "`mine`"  # a text of the user's


def test_no_sentence_of_a_pane_is_cut_in_a_small_window(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1024, 640)
    window.show()
    for turn in (*(partial(pane_of, key=key) for key in PANES_BY_KEY), SCENES["setup-openenv"]):
        turn(window)
        qtbot.waitUntil(lambda: not cut(window))
        assert marked(window) == []


def too_wide(window: MainWindow) -> list[str]:
    """The pages that stand out of their places, and the window where it cannot be as small."""
    areas = [one for one in window.findChildren(QScrollArea) if one.isVisible()]
    never = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
    cut_off = [
        f"{one.widget().width()} in {one.viewport().width()}"
        for one in areas
        if one.horizontalScrollBarPolicy() == never and one.widget().width() > one.viewport().width()
    ]
    return cut_off + [f"{key} pixels" for key in (window.minimumSizeHint().width(),) if key > 1024]


def test_long_names_make_nothing_wider_than_the_window(
    window: MainWindow, data_home: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """Of runs, folders and files, from right to left too."""
    name = ("A run with a long name that says what it was about, תחילת הריצה, and so on " * 2)[:120]
    folder = tmp_path / ("a_folder_with_a_very_long_name_" * 4) / ("another_one_in_it_" * 6)
    folder.mkdir(parents=True)
    (folder / f"train{'_and_on' * 20}.jsonl").write_text('{"prompt": "a", "answer": "b"}\n' * 3, "utf-8")
    run = write_run(data_home / "runs" / "20260101-long", complete(6, answered=True), steps=6)
    for file in (RunPaths(run).config, RunPaths(run).events):
        file.write_text(
            re.sub(r'("?name"?): ?("[^"]*"|\'\')', rf'\1: "{name}"', file.read_text("utf-8"), count=1),
            "utf-8",
        )
    window.resize(1024, 640)
    window.show()
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.session.show_run(run)
    qtbot.waitUntil(lambda: window.session.shown.name == name)
    window.session.set_data(str(folder))
    for key in PANES_BY_KEY:
        window.show_pane(key)
        qtbot.waitUntil(lambda: not too_wide(window) and not cut(window))


def test_a_choice_without_room_ends_in_dots_and_one_with_room_does_not(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    combo = QuietCombo(page)
    combo.addItem("GRPO starter · step 30")
    combo.resize(combo.sizeHint())
    wide = combo.fontMetrics().horizontalAdvance(combo.currentText())
    assert combo.room() >= wide
    combo.resize(combo.width() - 4, combo.height())
    assert combo.room() < wide
