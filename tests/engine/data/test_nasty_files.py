"""Every policy line and every reason, on files made to break readers; each row of each file is accounted for."""

from __future__ import annotations

import json
import os
import socket
import typing
from pathlib import Path

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.reasons import FileReason, RowReason, WarningReason
from droid_tune.data.validate import validate
from tests.engine.data.nasty import NASTY, Nasty

SHAPE = {"file", "column", "field", "reason", "severity", "message", "excerpt"}


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)
def test_a_nasty_file_is_told_exactly(tmp_path: Path, nasty: Nasty):
    path = tmp_path / nasty.file
    path.write_bytes(nasty.raw)
    report = validate(path, nasty.method, nasty.mapping).to_json()
    [file] = report["files"]
    assert (file["accepted"], file["rejected"], file["blank"]) == nasty.counts
    assert (file["error"] and file["error"]["reason"]) == nasty.error
    assert file["format"] == nasty.format
    told = [
        (issue.get("line", issue.get("index")), issue) for issue in report["issues"] if not _is_summary(issue)
    ]
    assert [(place, issue["reason"]) for place, issue in told] == [tuple(one[:2]) for one in nasty.issues]
    for (_place, issue), (_wanted, _reason, *rest) in zip(told, nasty.issues, strict=True):
        if rest:
            assert issue["field"] == rest[0]
        if len(rest) > 1:
            assert issue["column"] == rest[1]
    assert path.read_bytes() == nasty.raw


def _is_summary(issue: dict[str, object]) -> bool:
    return issue["reason"] == "mixed_schema"


@pytest.mark.parametrize(
    "nasty", [one for one in NASTY if one.file.endswith(".jsonl")], ids=lambda nasty: nasty.name
)
def test_places_of_syntax_errors_are_those_of_pythons_json(tmp_path: Path, nasty: Nasty):
    path = tmp_path / nasty.file
    path.write_bytes(nasty.raw)
    for issue in validate(path, nasty.method, nasty.mapping).issues:
        if issue.reason == "invalid_json" and issue.field is None and issue.line is not None:
            line = nasty.raw.split(b"\n")[issue.line - 1]
            with pytest.raises(json.JSONDecodeError) as error:
                json.loads(line.decode())
            assert issue.column == error.value.colno


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)
def test_messages_are_one_plain_sentence_and_excerpts_short(tmp_path: Path, nasty: Nasty):
    path = tmp_path / nasty.file
    path.write_bytes(nasty.raw)
    report = validate(path, nasty.method, nasty.mapping)
    said = [issue.message for issue in report.issues] + [
        one.error.message for one in report.files if one.error
    ]
    for message in said:
        assert message.endswith(".")
        assert "\n" not in message
        assert "{place}" not in message
        assert len(message) < 320
    for issue in report.issues:
        assert set(issue.to_json()) - {"line", "index"} == SHAPE
        assert len(issue.excerpt) <= 480
        issue.excerpt.encode()
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "nasty", [one for one in NASTY if one.counts[0] and not one.error], ids=lambda nasty: nasty.name
)
def test_accepted_rows_can_all_be_read_for_training(tmp_path: Path, nasty: Nasty):
    path = tmp_path / nasty.file
    path.write_bytes(nasty.raw)
    rows = open_dataset(path, nasty.method, nasty.mapping).train
    assert len([row for row in rows if row]) == nasty.counts[0]


def test_every_reason_is_met_by_some_file():
    met = {one[1] for nasty in NASTY for one in nasty.issues} | {nasty.error for nasty in NASTY}
    elsewhere = {"mixed_schema", "coerced_type", "train_valid_overlap", "missing_train", "not_a_regular_file"}
    elsewhere |= {"not_rendered"}  # only a model says so
    every = {*typing.get_args(RowReason), *typing.get_args(WarningReason), *typing.get_args(FileReason)}
    assert every - elsewhere <= met


def error_of(path: Path) -> str | None:
    error = validate(path).files[0].error
    return error and error.reason


def test_a_named_pipe_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "train.jsonl")
    assert error_of(tmp_path / "train.jsonl") == "not_a_regular_file"
    assert error_of(tmp_path) == "not_a_regular_file"


def test_devices_sockets_and_folders_are_no_files(tmp_path: Path):
    assert error_of(Path("/dev/zero")) == "not_a_regular_file"
    (tmp_path / "train.jsonl").mkdir()
    assert error_of(tmp_path) == "not_a_regular_file"


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("train.jsonl")
        assert error_of(tmp_path) == "not_a_regular_file"


def test_links_are_followed_and_loops_refused(tmp_path: Path):
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    assert error_of(tmp_path / "loop.jsonl") == "not_a_regular_file"
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    assert error_of(tmp_path / "gone.jsonl") == "unreadable"
    (tmp_path / "real.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    assert validate(tmp_path / "link.jsonl").accepted == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_is_said(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    path.write_text("{}")
    path.chmod(0)
    assert error_of(path) == "unreadable"


def test_what_is_not_there_is_said(tmp_path: Path):
    assert error_of(tmp_path / "nowhere.jsonl") == "unreadable"
