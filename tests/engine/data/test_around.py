"""The raw text around a place: the right lines, whatever the size of the file, nothing repaired."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from droid_tune.data.reading.around import LONGEST_LINE, RawLine, lines_around
from droid_tune.errors import UserError


def test_the_lines_around_one(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b"line %d\r\n" % number for number in range(1, 10)))
    assert lines_around(path, 5, 1) == [RawLine(4, "line 4"), RawLine(5, "line 5"), RawLine(6, "line 6")]
    assert [line.number for line in lines_around(path, 1)] == [1, 2, 3]
    assert [line.number for line in lines_around(path, 9)] == [7, 8, 9]
    assert lines_around(path, 99) == []


def test_a_line_beyond_the_first_blocks_is_found(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 99 + b"\n" + b"".join(b"%099d\n" % number for number in range(2, 30_001)))
    assert lines_around(path, 25_000, 0) == [RawLine(25_000, f"{25_000:099d}")]  # 3 MB into the file


def test_a_long_line_is_cut_and_the_next_one_still_found(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"a" * (LONGEST_LINE + 5) + b"\nnext")
    long, after = lines_around(path, 1)
    assert (len(long.text), long.cut) == (LONGEST_LINE, True)
    assert after == RawLine(2, "next")


def test_broken_bytes_and_packed_files_are_shown(tmp_path: Path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"ok\n\xff\n"))
    assert lines_around(path, 2, 0) == [RawLine(2, "\\xff")]


def test_a_file_that_is_gone_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        lines_around(tmp_path / "none", 1)
