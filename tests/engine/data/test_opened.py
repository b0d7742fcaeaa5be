"""One open data set serves all who ask, as long as its files are the ones that were opened."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.control import Watch
from droid_tune.data import dataset as dataset_module
from droid_tune.data.dataset import Dataset, UnusableDataError, open_configured, open_dataset
from droid_tune.data.reading import opened
from droid_tune.data.reading.opened import Opened
from droid_tune.errors import Stopped, UserError

ONE, TWO = '{"prompt": "a", "answer": "1"}\n', '{"prompt": "b", "answer": "2"}\n'


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "_OPENED", Opened())


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The data sets that were really read through."""
    seen: list[Path] = []
    real = dataset_module.scan_files

    def counted(path: Path, *rest: Any) -> Any:
        seen.append(path)
        return real(path, *rest)

    monkeypatch.setattr(dataset_module, "scan_files", counted)
    return seen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "train.jsonl").write_text(ONE)
    return tmp_path / "train.jsonl"


def test_methods_that_need_the_same_of_a_row_share_one(file: Path, scans: list[Path]) -> None:
    first = open_dataset(file, "grpo")
    config = resolve({"data": {"path": str(file)}, "method": {"type": "dapo"}})
    assert open_configured(config.data, "dapo") is first
    assert open_dataset(file, "sft") is not first
    assert len(scans) == 2


@pytest.mark.parametrize("settled", [0, 10**12])
def test_another_content_is_read_anew(
    file: Path, scans: list[Path], settled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same length and with the same time, as within one tick of a coarse clock."""
    monkeypatch.setattr(opened, "SETTLED_NS", settled)
    before = file.stat()
    assert open_dataset(file).row(0)["answer"] == "1"
    file.write_text(TWO)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_dataset(file).row(0)["answer"] == "2"
    assert len(scans) == 2


def test_a_touched_file_is_still_the_same(file: Path, scans: list[Path]) -> None:
    first = open_dataset(file)
    os.utime(file)
    assert open_dataset(file) is first
    assert len(scans) == 1


def test_a_further_file_makes_another_data_set(file: Path, scans: list[Path]) -> None:
    assert len(open_dataset(file.parent).valid) == 0
    (file.parent / "valid.jsonl").write_text(TWO)
    assert len(open_dataset(file.parent).valid) == 1
    file.unlink()
    with pytest.raises(UserError, match="no train file"):
        open_dataset(file.parent)


def test_only_the_last_ones_stay_open(tmp_path: Path, scans: list[Path]) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in "abc"]
    for file in files:
        file.write_text(ONE)
        open_dataset(file)
    open_dataset(files[2])
    assert len(scans) == 3
    open_dataset(files[0])
    assert len(scans) == 4


def test_who_asks_while_it_is_opened_waits_for_it(file: Path) -> None:
    opening, go_on = threading.Event(), threading.Event()
    shelf: Opened[Dataset] = Opened()
    made: list[Dataset] = []
    found: list[Dataset] = []

    def make() -> Dataset:
        opening.set()
        assert go_on.wait(10)
        made.append(open_dataset(file))
        return made[-1]

    askers = [
        threading.Thread(target=lambda: found.append(shelf.get("key", make, Watch()))) for _ in range(2)
    ]
    for one in askers:
        one.start()
    assert opening.wait(10)
    with pytest.raises(Stopped):  # one who waits may leave
        shelf.get("key", make, Watch(should_stop=lambda: True))
    go_on.set()
    for one in askers:
        one.join(100)
    assert len(made) == 1
    assert found == [made[0], made[0]]


def test_one_who_was_stopped_leaves_the_next_to_open_it(file: Path, scans: list[Path]) -> None:
    with pytest.raises(Stopped):
        open_dataset(file, None, None, Watch(should_stop=lambda: True))
    assert len(open_dataset(file)) == 1


def test_data_that_cannot_be_used_brings_its_report(tmp_path: Path, scans: list[Path]) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": 5, "answer": "1"}\n')
    with pytest.raises(UnusableDataError, match="Its only row") as caught:
        open_dataset(tmp_path, "grpo")
    assert caught.value.report.rejected == 1
    assert [issue.reason for issue in caught.value.report.issues] == ["wrong_type"]
    assert len(scans) == 1
