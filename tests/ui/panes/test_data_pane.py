"""The Data pane on real files: what is found is shown as it is, what is changed goes to a new folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from tests.ui.fake_engine import FakeEngine
from ui.main_window import MainWindow
from ui.panes.data.data_reader import Source
from ui.panes.data.pane import DataPane
from ui.session import Session
from ui.widgets.notice import NoticeBar
from ui.widgets.texts.plain_view import PlainView

Show = Callable[[Path], DataPane]


def write(path: Path, *rows: dict[str, object] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def sums(count: int, start: int = 0) -> list[dict[str, object]]:
    return [{"prompt": f"{n} plus 1?", "answer": str(n + 1)} for n in range(start, start + count)]


@pytest.fixture
def show(window: MainWindow, session: Session, qtbot: QtBot) -> Show:
    """Open data in the pane and wait until it was looked through."""

    def opened(path: Path) -> DataPane:
        window.show_pane("data")
        pane = cast("DataPane", window.pane("data"))
        qtbot.waitUntil(lambda: not pane._reader.busy)
        session.set_data(str(path))
        qtbot.waitUntil(lambda: pane._found is not None and pane._found.path == str(path), timeout=10_000)
        return pane

    return opened


def press(parent: MainWindow | DataPane | NoticeBar, text: str) -> None:
    found = [one for one in parent.findChildren(QPushButton) if one.text() == text and one.isVisible()]
    assert len(found) == 1, f"{len(found)} buttons say {text}"
    found[0].click()


def notices(pane: DataPane) -> list[str]:
    return [bar.text for bar in pane.findChildren(NoticeBar) if bar.isVisible()]


def test_a_row_is_seen_with_its_fields_its_template_and_its_tokens(
    show: Show, tmp_path: Path, qtbot: QtBot
) -> None:
    pane = show(write(tmp_path / "train.jsonl", {"prompt": "<b>1 plus 1?</b>", "answer": "2"}))
    detail = pane._rows._detail
    qtbot.waitUntil(lambda: "<b>1 plus 1?</b>" in detail._text.toPlainText())
    detail._view.choose("prompt")
    detail._draw()
    qtbot.waitUntil(lambda: detail._seen is not None, timeout=60_000)
    # The starter's own template, every special token where it stands.
    assert detail._text.toPlainText() == "<|user|><b>1 plus 1?</b><|end|><|assistant|>"
    assert detail._seen is not None
    assert detail._seen.text == detail._text.toPlainText()
    assert len(detail._seen.tokens) == len(detail._seen.names)


def test_a_row_of_a_run_with_tools_is_seen_with_them(
    show: Show, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    session.draft.set_model("tools-starter")
    session.draft.set_environment("tools", {"path": "shop"})
    pane = show(write(tmp_path / "train.jsonl", {"prompt": "What do two pears cost?", "answer": "2"}))
    detail = pane._rows._detail
    detail._view.choose("prompt")
    detail._draw()
    qtbot.waitUntil(lambda: detail._seen is not None, timeout=60_000)
    assert "multiply" in detail._text.toPlainText()
    assert detail._seen is not None
    assert "What do two pears cost?" in detail._seen.text
    engine = session.engine
    assert isinstance(engine, FakeEngine)
    assert engine.openings._kept is not None  # it stays for the next row
    session.draft.set("environment.path", str(tmp_path / "gone.py"))
    pane._draft_changed()
    qtbot.waitUntil(lambda: "gone.py" in detail._text.toPlainText())
    session.draft.set_environment("")
    pane._draft_changed()
    qtbot.waitUntil(lambda: detail._seen is not None)
    qtbot.waitUntil(lambda: engine.openings._kept is None)
    assert "multiply" not in detail._text.toPlainText()


def test_the_raw_text_around_an_issue_marks_the_column(show: Show, tmp_path: Path, qtbot: QtBot) -> None:
    pane = show(write(tmp_path / "train.jsonl", *sums(3), '{"prompt": "x", "answer": 7.5}', *sums(3, 5)))
    pane.show_view("issues")
    text = pane._issues.findChild(PlainView)
    assert text is not None
    qtbot.waitUntil(lambda: '"answer": 7.5' in text.toPlainText())
    lines = text.toPlainText().split("\n")
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "5", "6"]


def test_rows_of_another_kind_offer_the_method_that_learns_from_them(
    show: Show, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    pane = show(write(tmp_path / "train.jsonl", *({"text": f"Once upon {n} times."} for n in range(5))))
    assert "GRPO needs prompts to answer" in notices(pane)[0]
    press(pane, "Use SFT")
    qtbot.waitUntil(lambda: pane._found is not None and bool(pane._found.splits))
    assert session.draft.method == "sft"
    assert notices(pane) == []


def test_columns_that_nobody_guesses_lead_to_where_they_are_chosen(
    show: Show, tmp_path: Path, qtbot: QtBot
) -> None:
    """As of a spreadsheet in another language: the fault said to map them, and not where."""
    pane = show(
        write(tmp_path / "train.jsonl", *({"Frage": f"{n} + 1?", "Antwort": f"{n + 1}"} for n in range(5)))
    )
    assert pane._bar.view.key == "issues"
    press(pane, "Choose Columns…")
    assert pane._bar.view.key == "columns"
    assert not pane._columns.isHidden()
    assert (
        pane._columns._formats.currentData() == "prompt_answer"
    )  # not the first of all, conversations with preferences
    pane._columns.choose("prompt", "Frage")
    pane._columns.choose("answer", "Antwort")
    press(pane, pane._columns._confirm.text())
    qtbot.waitUntil(lambda: pane._found is not None and bool(pane._found.splits))
    pane = show(write(tmp_path / "blank" / "train.jsonl", {"prompt": "", "answer": "1"}))
    shown = [one.text() for one in pane.findChildren(QPushButton) if one.isVisible()]
    assert "Files…" in shown
    assert "Choose Columns…" not in shown


def test_after_data_that_cannot_be_read_the_view_is_again_the_one_that_was_chosen(
    show: Show, tmp_path: Path
) -> None:
    good = write(tmp_path / "good" / "train.jsonl", *sums(3))
    assert show(good)._bar.view.key == "rows"
    assert show(write(tmp_path / "bad" / "train.jsonl", "{no"))._bar.view.key == "issues"
    pane = show(good)
    assert pane._bar.view.key == "rows"
    pane.show_view("columns")
    assert show(write(tmp_path / "bad" / "train.jsonl", "{no"))._bar.view.key == "issues"
    pane._turn("issues")  # by hand
    assert show(good)._bar.view.key == "issues"


def test_an_answer_that_no_row_has_is_no_column(show: Show, tmp_path: Path, qtbot: QtBot) -> None:
    pane = show(write(tmp_path / "train.jsonl", {"prompt": "Write."}, {"prompt": "Sing.", "note": None}))
    assert pane._found is not None
    assert list(pane._found.columns["train"]) == ["prompt", "note"]  # what is theirs is shown, empty or not
    qtbot.waitUntil(lambda: "Write." in pane._rows._detail._text.toPlainText())
    assert "answer" not in pane._rows._detail._text.toPlainText()


def test_other_column_names_are_read_as_proposed_once_the_user_agrees(
    show: Show, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    rows = [{"query": f"{n}?", "ideal": str(n)} for n in range(5)]
    pane = show(write(tmp_path / "train.jsonl", *rows))
    assert notices(pane) == ["The columns have other names than ours."]
    press(pane, "Use It")
    qtbot.waitUntil(lambda: pane._found is not None and bool(pane._found.splits))
    mapping = {"prompt": "query", "answer": "ideal"}
    assert session.draft.config().data.mapping == mapping


def test_a_mapping_may_be_edited(show: Show, session: Session, tmp_path: Path, qtbot: QtBot) -> None:
    rows = [{"query": f"{n}?", "ideal": str(n), "short": "s"} for n in range(5)]
    pane = show(write(tmp_path / "train.jsonl", *rows))
    press(pane, "Edit…")
    assert pane._columns.mapping() == {"prompt": "query", "answer": "ideal"}
    pane._columns.choose("answer", "query")
    assert not pane._columns._confirm.isEnabled()  # one column cannot be both
    pane._columns.choose("answer", "short")
    pane._columns._confirm.click()
    qtbot.waitUntil(lambda: pane._found is not None and bool(pane._found.splits))
    assert session.draft.value("data.mapping") == {"prompt": "query", "answer": "short"}


def test_a_tool_is_previewed_then_written_beside_the_data_and_can_be_used(
    show: Show, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    source = write(tmp_path / "in" / "train.jsonl", *sums(20))
    before = source.read_bytes()
    pane = show(source.parent)
    pane.show_view("tools")
    tools = pane._tools
    tools.choose("split")
    qtbot.waitUntil(lambda: tools._shown is not None)
    assert "Holds out 2 of 20 train rows" in tools._preview.toPlainText()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "in"]  # a preview writes nothing
    press(pane, "Write")
    out = tmp_path / "in-with-held-out"
    qtbot.waitUntil(lambda: bool(tools._written))
    counts = [len((out / name).read_text().splitlines()) for name in ("train.jsonl", "valid.jsonl")]
    assert counts == [18, 2]
    assert source.read_bytes() == before
    press(pane, "Use This Data")
    assert session.draft.data == str(out)


def test_a_conversion_shows_rows_before_and_after(show: Show, tmp_path: Path, qtbot: QtBot) -> None:
    pane = show(write(tmp_path / "train.jsonl", *sums(3)))
    pane.show_view("tools")
    pane._tools.choose("convert")
    qtbot.waitUntil(lambda: pane._tools._shown is not None)
    text = pane._tools._preview.toPlainText()
    assert "Row 1, as it is" in text
    assert '"role": "assistant"' in text


def test_statistics_tell_lengths_repetition_and_leakage(show: Show, tmp_path: Path, qtbot: QtBot) -> None:
    write(tmp_path / "in" / "train.jsonl", *sums(20), *sums(2))
    write(tmp_path / "in" / "valid.jsonl", *sums(3, 18))
    pane = show(tmp_path / "in")
    pane.show_view("statistics")
    view = pane._statistics
    qtbot.waitUntil(lambda: view._found is not None, timeout=60_000)
    assert view._found is not None
    train = view._found.splits["train"]
    assert (train.rows, train.duplicates, train.suggested_reward) == (22, 2, "accuracy")
    assert view._found.overlap == {"valid": 2}  # 18 and 19
    assert "longest" in view._prompts.summary()


def test_statistics_of_data_without_a_usable_row_say_so_and_are_not_those_of_the_data_before(
    show: Show, session: Session, tmp_path: Path, qtbot: QtBot
) -> None:
    write(tmp_path / "in" / "train.jsonl", *sums(20))
    write(tmp_path / "other" / "train.jsonl", {"colour": "red"}, {"colour": "blue"})
    pane = show(tmp_path / "in")
    pane.show_view("statistics")
    view = pane._statistics
    qtbot.waitUntil(lambda: view._found is not None, timeout=60_000)
    session.set_data(str(tmp_path / "other"))
    qtbot.waitUntil(lambda: pane._found is not None and not pane._found.splits)
    pane.show_view("statistics")
    assert view._found is None
    assert view._said.text().startswith("Nothing to measure")
    assert not view._exact.isVisible()
    assert view._facts.count() == 0
    session.set_data(str(tmp_path / "in"))
    qtbot.waitUntil(lambda: view._found is not None, timeout=60_000)
    assert "Measured over every row" in view._said.text()


def test_cancelling_leaves_the_pane_ready(show: Show, session: Session, tmp_path: Path, qtbot: QtBot) -> None:
    pane = show(write(tmp_path / "train.jsonl", *sums(3)))
    pane._reader.inspect(Source(str(tmp_path), "grpo"))
    pane._stop()
    qtbot.wait(50)
    assert not pane._reader.busy
    assert notices(pane) == ["Looking through the data was cancelled."]


def test_a_data_set_of_the_hub_is_taken_by_its_id(window: MainWindow, session: Session) -> None:
    window.show_pane("data")
    drop = cast("DataPane", window.pane("data"))._drop
    drop._id.setText("org/name")
    drop._use_hub()
    assert session.draft.data == "hub:org/name"
