"""Tags and notes are kept with the run, and a damaged file never keeps the list from listing."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.errors import UserError
from droid_tune.runs.folder import create_run, list_runs, summarise
from droid_tune.runs.run_annotations import (
    ANNOTATIONS_FILE,
    LONGEST_NOTE,
    Annotations,
    read_annotations,
    tags_of,
    write_annotations,
)
from tests.ui.recording import config


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = Annotations(("sweep", "très bon"), "Läuft\nzwei Zeilen")
    write_annotations(tmp_path, written)
    assert read_annotations(tmp_path) == written


def test_tags_are_separated_by_commas_and_stand_once() -> None:
    assert tags_of(" sweep ,keep,, sweep, long   words ") == ("sweep", "keep", "long words")
    assert tags_of("") == ()


@pytest.mark.parametrize("text", [",".join(map(str, range(21))), "x" * 41])
def test_too_much_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UserError):
        tags_of(text)


def test_a_note_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4,001"):
        write_annotations(tmp_path, Annotations(note="x" * (LONGEST_NOTE + 1)))
    assert not (tmp_path / ANNOTATIONS_FILE).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"tags": 3, "note": [1]}', '{"tags": [1, null], "note": null}', "\x00" * 9]
)
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ANNOTATIONS_FILE).write_text(text)
    assert read_annotations(tmp_path) == Annotations()


def test_what_cannot_be_read_is_set_aside_and_not_written_over(tmp_path: Path) -> None:
    (tmp_path / ANNOTATIONS_FILE).write_text('{"tags": ["keep"], "note": "half')
    write_annotations(tmp_path, Annotations(("new",), ""))
    assert read_annotations(tmp_path).tags == ("new",)
    assert (tmp_path / f"{ANNOTATIONS_FILE}.bak").read_text() == '{"tags": ["keep"], "note": "half'
    write_annotations(tmp_path, Annotations(("newer",), ""))
    assert "half" in (tmp_path / f"{ANNOTATIONS_FILE}.bak").read_text()


def test_the_list_of_runs_has_them_and_follows_other_settings(tmp_path: Path) -> None:
    folder = create_run(config(30), tmp_path / "one")
    write_annotations(folder, Annotations(("keep",), "good"))
    assert list_runs(tmp_path)[0].annotations == Annotations(("keep",), "good")
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace("iterations: 30", "iterations: 45"))
    assert summarise(folder).total_steps == 45
