"""Indexes kept between sessions: the same answers without reading, never the answers of another file."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data import dataset as dataset_module
from droid_tune.data.dataset import Dataset, open_dataset
from droid_tune.data.reading import index_cache
from droid_tune.data.reading.opened import Opened
from droid_tune.paths import cache_dir


@pytest.fixture(autouse=True)
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are kept as well, however new they are, and only on disk: nothing stays open."""
    monkeypatch.setattr(dataset_module, "_OPENED", Opened(kept=0))
    monkeypatch.setattr(index_cache, "LEAST_BYTES", 0)
    monkeypatch.setattr(index_cache, "SETTLED_NS", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"prompt": f"é {number}", "answer": str(number)} for number in range(50)]
    lines = [json.dumps(row, ensure_ascii=False) for row in [*rows, rows[7]]]
    (tmp_path / "train.jsonl").write_text("\n".join([lines[0], "", "{broken", *lines[1:]]) + "\n", "utf-8")
    (tmp_path / "valid.jsonl").write_text(lines[3] + "\n" + '{"prompt": "own", "answer": "1"}\n', "utf-8")
    return tmp_path


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were really read through."""
    seen: list[Path] = []
    real = dataset_module.scan_files

    def counted(path: Path, *rest: Any) -> Any:
        seen.append(path)
        return real(path, *rest)

    monkeypatch.setattr(dataset_module, "scan_files", counted)
    return seen


def everything(data: Dataset) -> Any:
    rows = {
        split: [(rows.row(n), rows.place(n)) for n in range(len(rows))] for split, rows in data.splits.items()
    }
    return data.report.to_json(), rows, data.state(), len(data.report.issues)


def entries(folder: Path) -> list[Path]:
    """The entries of this folder: whatever else opens data meanwhile has its own."""
    found = sorted((cache_dir() / "indexes").glob("[!.]*"))
    return [one for one in found if json.loads((one / "entry.json").read_bytes())["path"] == str(folder)]


def test_a_second_look_gives_the_same_without_reading(folder: Path, scans: list[Path]):
    first = everything(open_dataset(folder, "grpo"))
    second = everything(open_dataset(folder, "grpo"))
    assert second == first
    assert scans == [folder]
    assert {issue["reason"] for issue in first[0]["issues"]} == {
        "invalid_json",
        "duplicate_row",
        "train_valid_overlap",
    }


def test_a_file_whose_rows_name_their_splits_comes_back_in_parts(tmp_path: Path, scans: list[Path]):
    rows = [{"prompt": f"{n}?", "answer": "1", "split": "test" if n % 3 else "train"} for n in range(9)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = open_dataset(tmp_path, "grpo")
    assert everything(open_dataset(tmp_path, "grpo")) == everything(first)
    assert [len(rows) for rows in first.splits.values()] == [3, 0, 6]
    assert len(scans) == 1


def test_other_options_are_another_entry(folder: Path, scans: list[Path]):
    open_dataset(folder, "grpo")
    open_dataset(folder, "sft")
    open_dataset(folder, "grpo", {"prompt": "answer", "answer": "prompt"})
    assert len(scans) == len(entries(folder)) == 3


def test_a_changed_file_is_read_anew_even_with_its_old_size_and_time(folder: Path, scans: list[Path]):
    open_dataset(folder, "grpo")
    path = folder / "train.jsonl"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"0"', b'"9"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert open_dataset(folder, "grpo").row(0)["answer"] == "9"
    assert len(scans) == 2


PARTS = [
    "0-starts.npy",
    "0-lengths.npy",
    "0-places.npy",
    "1-places.npy",
    "issues.jsonl",
    "entry.json",
    "sums.json",
]


@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_entry_is_built_anew(folder: Path, scans: list[Path], part: str):
    first = everything(open_dataset(folder, "grpo"))
    file = entries(folder)[0] / part
    for times, place in enumerate([0, file.stat().st_size // 2, -2], 2):
        content = bytearray(file.read_bytes())
        content[place] ^= 0xFF
        file.write_bytes(content)
        assert everything(open_dataset(folder, "grpo")) == first
        assert len(scans) == times
        assert everything(open_dataset(folder, "grpo")) == first  # and that one is good again
        assert len(scans) == times


@pytest.mark.parametrize("part", PARTS)
def test_an_entry_that_was_cut_off_or_lacks_a_file_is_built_anew(folder: Path, scans: list[Path], part: str):
    open_dataset(folder, "grpo")
    for kept in (0, 5, 60):
        file = entries(folder)[0] / part
        file.write_bytes(file.read_bytes()[:kept])
        assert len(open_dataset(folder, "grpo")) == 51
    (entries(folder)[0] / part).unlink()
    assert len(open_dataset(folder, "grpo")) == 51
    assert len(scans) == 5


def test_an_open_data_set_outlives_its_entry(folder: Path):
    open_dataset(folder, "grpo")
    data = open_dataset(folder, "grpo")
    first = everything(data)
    shutil.rmtree(entries(folder)[0])
    assert everything(data) == first


def test_a_split_without_an_accepted_row_is_kept_as_well(folder: Path, scans: list[Path]):
    (folder / "valid.jsonl").write_text('{"prompt": 5, "answer": "1"}\n')
    assert everything(open_dataset(folder, "grpo")) == everything(open_dataset(folder, "grpo"))
    assert len(scans) == 1


def test_entries_of_an_earlier_form_go(folder: Path):
    (cache_dir() / "indexes").mkdir(parents=True)
    (cache_dir() / "indexes" / "old.index").write_bytes(b"DTINDEX1")
    open_dataset(folder, "grpo")
    assert [one.suffix for one in entries(folder)] == [""]


def test_a_folder_that_cannot_be_written_costs_only_the_entry(folder: Path, data_home: Path):
    (data_home / "cache").write_text("in the way")
    assert len(open_dataset(folder, "grpo")) == 51
    assert len(open_dataset(folder, "grpo")) == 51


def test_small_and_just_changed_files_are_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(index_cache, "SETTLED_NS", 3_600_000_000_000)
    open_dataset(folder, "grpo")
    monkeypatch.setattr(index_cache, "SETTLED_NS", 0)
    monkeypatch.setattr(index_cache, "LEAST_BYTES", 1_000_000)
    open_dataset(folder, "grpo")
    assert not (cache_dir() / "indexes").exists()


def test_the_oldest_entries_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch):
    open_dataset(folder, "grpo")
    first = entries(folder)[0]
    os.utime(first, (1, 1))
    monkeypatch.setattr(index_cache, "KEPT_BYTES", 100)
    open_dataset(folder, "sft")
    assert len(entries(folder)) == 1
    assert first not in entries(folder)
