"""What a killed program leaves in the folder for temporary files goes at the next start, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from droid_tune.errors import UserError
from droid_tune.machine.scratch import PREFIX, Scratch, claimed, scratch_folder, sweep

HOLDER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from droid_tune.machine.scratch import Scratch
made = Scratch()
(made.home / "left.txt").write_text("x")
print(made.folder, flush=True)
sys.stdin.read()
"""


def test_only_folders_whose_owner_is_gone_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        unknown = tmp_path / f"{PREFIX}of-another-version"
        unknown.mkdir()
        mine = Scratch()  # this process' first one sweeps too
        sweep(tmp_path)
        assert theirs.is_dir()
        assert (theirs / "home" / "left.txt").exists()
        other.send_signal(signal.SIGKILL)
        other.wait()
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([unknown, mine.folder])
    mine.remove()
    assert list(tmp_path.iterdir()) == [unknown]
    fresh = Scratch()
    assert fresh.folder.name.startswith(PREFIX)
    assert list(fresh.home.iterdir()) == []
    fresh.remove()
    with scratch_folder(tmp_path) as folder:
        assert folder.parent.parent == tmp_path
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [unknown]


def test_a_claimed_folder_is_one_writers_alone_and_goes_in_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "model" / ".unfinished"
    (folder / "left").mkdir(parents=True)  # by a killed process
    (folder / "left" / "half.txt").write_text("h")
    with claimed(folder):
        assert list(folder.iterdir()) == []
        (folder / "whole.txt").write_text("w")
        with pytest.raises(UserError, match="Another Droid Tune writes there"), claimed(folder):
            pass
        assert (folder / "whole.txt").exists()
    assert not folder.exists()


def test_a_claimed_folder_that_was_moved_to_its_place_stays_there(tmp_path: Path) -> None:
    folder, place = tmp_path / ".model", tmp_path / "model"
    with claimed(folder):
        (folder / "whole.txt").write_text("w")
        folder.replace(place)
        folder.mkdir()  # the next one's already
    assert (place / "whole.txt").exists()
    assert folder.exists()
