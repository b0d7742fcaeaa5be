"""Looking through data: everything found is told, nothing blocks, a newer look replaces an older one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from droid_tune.control import Watch
from droid_tune.data.mapping import mapped
from ui.panes.data.columns_said import in_columns
from ui.panes.data.data_reader import DataReader, Inspection, Source
from ui.panes.data.data_reader import inspect as inspect_source
from ui.panes.data.issues.issues_model import IssuesModel
from ui.panes.data.rows.rows_model import RowsModel, cell_text
from ui.panes.data.share_bar import widths


def inspect(path: str) -> Inspection:
    return inspect_source(Source(path, "grpo"), Watch())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "train.jsonl").write_text(
        '{"prompt": "One and one?", "answer": "2"}\n\n{"prompt": 7, "answer": "x"}\n{"prompt": "\u202e<b>", "answer": "4"}\n'
    )
    (tmp_path / "valid.jsonl").write_text('{"prompt": "Three?", "answer": "3"}\n')
    return tmp_path


def test_rows_issues_and_counts_are_all_there(data: Path) -> None:
    found = inspect(str(data))
    assert found.fault == ""
    assert found.report is not None
    assert (found.report.accepted, found.report.rejected, found.report.blank) == (3, 1, 1)
    assert list(found.splits) == ["train", "valid"]
    assert [issue.line for issue in found.issues if issue.severity == "error"] == [3]


def test_data_without_a_usable_row_still_has_its_report(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": ""}\n')
    found = inspect(str(tmp_path))
    assert found.fault
    assert found.report is not None
    assert found.report.rejected == 1
    assert found.splits == {}


@pytest.mark.parametrize(
    ("advice", "said"),
    [
        ("x: add --map answer=final where so.", "x: in Columns, read `answer` from `final` where so."),
        (
            "perhaps by --map completion=response.",
            "perhaps by reading `completion` from `response` in Columns.",
        ),
        (
            f"by {mapped({'prompt': 'Die Frage', 'answer': 'it_s'})}; or",
            "by reading `prompt` from `Die Frage` and `answer` from `it_s` in Columns; or",
        ),
        (f"by {mapped({'prompt': chr(39) + 'eau'})}.", "by reading `prompt` from `'eau` in Columns."),
        ("nothing of it", "nothing of it"),
    ],
)
def test_advice_on_columns_is_in_the_window_s_words(advice: str, said: str) -> None:
    assert in_columns(advice) == said


def test_no_option_of_the_command_line_is_in_the_issues(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"problem": "x", "solution": "y"}\n')
    found = inspect(str(tmp_path))
    assert (
        "by reading `prompt` from `problem` and `answer` from `solution` in Columns"
        in found.issues[0].message
    )
    assert not any("--map" in issue.message for issue in found.issues)


def test_a_folder_that_is_gone_is_one_sentence() -> None:
    assert inspect("/not/here").fault == ("There is no file or folder /not/here; choose another one.")


def test_the_newest_look_is_the_one_told(data: Path, tmp_path: Path, qtbot: QtBot, owner: QObject) -> None:
    reader = DataReader(owner)
    told: list[str] = []
    reader.inspected.connect(lambda found: told.append(found.path))
    reader.inspect(Source("/not/here", "grpo"))
    reader.inspect(Source(str(data), "grpo"))
    qtbot.waitUntil(lambda: bool(told))
    qtbot.wait(50)
    assert told == [str(data)]


def test_rows_are_shown_literally(data: Path, owner: QObject, qtbot: QtBot) -> None:
    found = inspect(str(data))
    rows = RowsModel(owner)
    rows.show(found.splits["train"], list(found.columns["train"]))
    assert rows.rowCount() == 2
    assert rows.headerData(0, Qt.Orientation.Horizontal) == "prompt"
    with qtbot.waitSignal(rows.dataChanged):
        assert rows.data(rows.index(1, 0)) == "…"
    assert rows.data(rows.index(1, 0)) == "⟨U+202E⟩<b>"
    rows.close()
    issues = IssuesModel(owner)
    issues.show(found.issues)
    assert issues.data(issues.index(0, 1)) == "3"


def test_a_cell_stays_on_its_line() -> None:
    assert cell_text("a\nb") == "a ⏎ b"
    assert cell_text(["a"]) == '["a"]'
    assert cell_text([{"role": "user", "content": "Hi\n"}]) == "user: Hi ⏎ "
    assert len(cell_text("x" * 1000)) == 301


def test_small_shares_can_still_be_seen() -> None:
    assert widths((999_999, 1, 0), 100) == [96.0, 4.0, 0.0]
    assert widths((0, 0, 0), 100) == [0.0, 0.0, 0.0]
