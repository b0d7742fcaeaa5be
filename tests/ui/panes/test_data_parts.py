"""Parts of the Data pane without a window: pages of rows, marked text, editors, folders, facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from droid_tune.data.dataset import open_dataset
from droid_tune.data.issues import Issue
from droid_tune.data.reading.around import RawLine
from ui.panes.data.columns_view import ColumnsView, reading_of
from ui.panes.data.issues.issues_view import pieces_of
from ui.panes.data.issues.open_in_editor import command_at
from ui.panes.data.rows.rows_model import KEPT_PAGES, PAGE_ROWS, RowsModel
from ui.panes.data.rows.rows_view import column_widths
from ui.panes.data.rows.seen_row import SeenRow, text_pieces, token_pieces
from ui.panes.data.statistics.statistics_view import Lengthy, leaked_in_words, of_rows, repeats_in_words
from ui.panes.data.tools.tools_view import free_folder
from ui.theme import Theme


def issue(line: int, column: int | None) -> Issue:
    return Issue("train.jsonl", line, None, column, None, "invalid_json", "error", "no", "")


def test_only_pages_that_are_seen_are_read_and_few_are_kept(
    tmp_path: Path, owner: QObject, qtbot: QtBot
) -> None:
    path = tmp_path / "train.jsonl"
    count = (KEPT_PAGES + 10) * PAGE_ROWS
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "answer": "a"}) + "\n" for n in range(count)))
    rows = open_dataset(path).train
    model = RowsModel(owner)
    model.show(rows, ["prompt", "answer"])
    assert model._pages == {}
    for page in range(KEPT_PAGES + 10):
        with qtbot.waitSignal(model.dataChanged):
            assert model.data(model.index(page * PAGE_ROWS + 1, 0)) == "…"
        assert model.data(model.index(page * PAGE_ROWS + 1, 0)) == f"p{page * PAGE_ROWS + 1}"
    assert len(model._pages) == KEPT_PAGES
    model.close()


def test_a_page_of_data_that_was_replaced_is_not_shown(tmp_path: Path, owner: QObject) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"prompt": "p", "answer": "a"}\n')
    model = RowsModel(owner)
    model.show(open_dataset(path).train, ["prompt"])
    model._arrived(model._generation - 1, 0, [["old"]])
    assert model._pages == {}
    model.close()


def test_the_place_of_a_finding_stands_out() -> None:
    pieces = pieces_of([RawLine(1, "ab"), RawLine(2, "xyz")], issue(2, 2))
    assert "".join(piece.text for piece in pieces) == "1  ab\n2  xyz"
    assert [piece.text for piece in pieces if piece.ground] == ["y"]


def test_a_long_line_is_cut_around_its_place() -> None:
    pieces = pieces_of([RawLine(1, "a" * 5000 + "!" + "b" * 5000)], issue(1, 5001))
    text = "".join(piece.text for piece in pieces)
    assert len(text) < 900
    assert "a!b" in text


def test_special_tokens_stand_out_and_nothing_is_lost() -> None:
    seen = SeenRow(
        "<s>a\x1b<e>",
        [1, 2, 3, 4],
        ["<s>", "a", "\x1b", "<e>"],
        [False, True, True, True],
        ("<s>", "<e>"),
        False,
    )
    assert [piece.text for piece in text_pieces(seen) if piece.ground] == ["<s>", "<e>"]
    assert "".join(piece.text for piece in text_pieces(seen)) == "<s>a␛<e>"
    assert [piece.ground for piece in token_pieces(seen)] == [
        "accent_soft",
        "good_soft",
        "good_soft",
        "good_soft",
    ]
    assert seen.said == "4 tokens, 3 of them learnt"


def test_an_editor_is_told_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "subl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDITOR", "vi")  # needs a terminal: it is passed over
    assert command_at(Path("/d/a b.jsonl"), 7, 3) == [str(program), "/d/a b.jsonl:7:3"]
    program.unlink()
    assert command_at(Path("/d/a.jsonl"), 7) is None


def test_new_folders_never_take_the_place_of_others(tmp_path: Path) -> None:
    data = tmp_path / "sums"
    assert free_folder(data, "sample") == tmp_path / "sums-sample"
    (tmp_path / "sums-sample").mkdir()
    assert free_folder(data, "sample") == tmp_path / "sums-sample-2"


def test_nothing_is_told_in_one_word() -> None:
    assert [of_rows(0, 400), leaked_in_words(0, "prompt"), repeats_in_words(0)] == ["none"] * 3
    assert [of_rows(3, 400), leaked_in_words(1, "prompt")] == ["3 of 400 rows", "1 prompt also in train"]


def test_columns_share_the_room() -> None:
    assert column_widths([], 900) == []
    assert column_widths([200], 900) == [900]
    assert column_widths([100, 300, 200], 900) == [200, 400, 300]
    assert column_widths([100, 3000, 800], 900) == [100, 400, 400]  # the longest give way
    assert column_widths([400, 20, 20, 20], 300) == [90] * 4  # scrolls rather than squeezes


def test_the_limit_of_a_prompt_leaves_room_for_the_answer() -> None:
    assert Lengthy(256, 32, rollouts=True).limits.max_prompt == 224
    assert Lengthy(256, 32, rollouts=False).limits.max_prompt == 256


def test_a_mapping_that_misses_a_field_says_so() -> None:
    from droid_tune.data.formats.table import FORMATS_BY_NAME

    pieces, fault = reading_of(
        [{"query": "q"}], FORMATS_BY_NAME["prompt_answer"], {"prompt": "query"}, "grpo"
    )
    assert pieces == []
    assert "`answer` is missing" in fault


def test_columns_by_which_no_row_fits_leave_words_where_the_row_would_be(qtbot: QtBot, theme: Theme) -> None:
    around = QWidget()
    qtbot.addWidget(around)
    view = ColumnsView(around)
    view.show_rows([{"query": "q"}], "grpo", {}, [], "prompt_answer")
    assert view._result.toPlainText() == "No row fits when it is read so."


def test_one_odd_row_at_the_top_does_not_keep_the_others_from_being_mapped() -> None:
    from droid_tune.data.formats.table import FORMATS_BY_NAME

    mapping = {"prompt": "Question", "answer": "Solution"}
    blank, good = {"Question": "3 + 4", "Solution": ""}, {"Question": "1 + 1", "Solution": "2"}
    pieces, fault = reading_of([blank, good], FORMATS_BY_NAME["prompt_answer"], mapping, "grpo")
    assert fault == ""
    assert "1 + 1" in "".join(piece.text for piece in pieces)
    assert "blank" in reading_of([blank, blank], FORMATS_BY_NAME["prompt_answer"], mapping, "grpo")[1]
