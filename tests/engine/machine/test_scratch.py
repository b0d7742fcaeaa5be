"""What a killed program leaves in the folder for temporary files goes at the next start, and nothing else."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

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


def test_a_removal_that_is_cut_off_leaves_a_folder_that_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any of its deletions; what was half made long ago goes, too, and what is being made now does not."""

    class Killed(BaseException):
        pass

    own, number = os.unlink, 0
    for number in range(1, 9):
        made, calls = Scratch(tmp_path), itertools.count(1)
        for name in ("a", "z"):
            (made.home / name).write_text("x")

        def unlink(*given: Any, last: int = number, counted: Any = calls, **options: Any) -> None:
            if next(counted) == last:
                raise Killed
            own(*given, **options)

        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(os, "unlink", unlink)
            made.remove()
            break
        os.close(made._lock)  # as the system does for a process that is gone
        sweep(tmp_path)
        assert list(tmp_path.iterdir()) == []
    assert number == 4
    for name in (f"{PREFIX}empty", "droid-tune-coming-empty", "droid-tune-coming-begun"):
        (tmp_path / name).mkdir()
    (tmp_path / "droid-tune-coming-begun" / "owner").touch()
    (tmp_path / f"{PREFIX}theirs").mkdir()
    (tmp_path / f"{PREFIX}theirs" / "kept").touch()
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    for folder in tmp_path.iterdir():
        os.utime(folder, (0, 0))
    sweep(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [f"{PREFIX}theirs"]


def test_a_scratch_folder_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, name in ((os, "open"), (Path, "rename"), (Path, "mkdir")):
        own, calls = getattr(where, name), itertools.count()

        def refused(*given: Any, own: Any = own, calls: Any = calls, **options: Any) -> Any:
            if not next(calls):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return own(*given, **options)

        with monkeypatch.context() as patched:
            patched.setattr(where, name, refused)
            with pytest.raises(OSError, match="No space"):
                Scratch(tmp_path)
        assert list(tmp_path.iterdir()) == []


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
