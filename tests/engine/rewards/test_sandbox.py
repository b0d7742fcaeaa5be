"""A user's reward file is shut in: it writes to its scratch folder alone, and reaches neither network nor other files."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.rewards import UserFileReward
from droid_tune.rewards.base import Failed, Outcome, Sample
from droid_tune.rewards.children.sandbox import Offer, beside, offers, profile
from droid_tune.rewards.user_file import UserFile

files = pytest.mark.skipif(not offers().files, reason="this system keeps no files from a child")
network = pytest.mark.skipif(not offers().network, reason="this system keeps no network from a child")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with something private in it, and a project beside the private things."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    project = tmp_path / "home" / "project"
    project.mkdir(parents=True)
    (tmp_path / "home" / "private.txt").write_text("mine")
    (project / "neighbour.py").write_text("WORTH = 0.5\n")
    return tmp_path / "home"


def told(home: Path, body: str, row: dict[str, Any] | None = None, **settings: Any) -> Outcome:
    """What the function says whose body this is."""
    file = home / "project" / "reward.py"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    file.write_text(
        f"import os, socket, subprocess\nfrom pathlib import Path\ndef reward(completion, row):\n{lines}"
    )
    reward = UserFile(UserFileReward(path=str(file), **settings), Path.cwd())
    try:
        return reward.score([Sample("", "", row or {})])[0]
    finally:
        reward.close()


def refused(outcome: Outcome, why: str) -> bool:
    return isinstance(outcome, Failed) and why in outcome.message


@files
def test_it_writes_to_its_scratch_folder_alone(home: Path, tmp_path: Path) -> None:
    assert (
        told(home, "Path('x').write_text('a'); Path('x').rename('y'); return len(Path('y').read_text())") == 1
    )
    for place in (tmp_path / "outside.txt", home / "project" / "left.txt", home / "left.txt"):
        assert refused(told(home, f"open({str(place)!r}, 'w')"), "PermissionError")
        assert refused(
            told(home, f"subprocess.run(['touch', {str(place)!r}], check=True)"), "CalledProcessError"
        )
        assert not place.exists()
    assert refused(told(home, f"os.remove({str(home / 'private.txt')!r})"), "PermissionError")
    assert (home / "private.txt").exists()


@files
def test_it_reads_what_lies_beside_it_and_nothing_else_of_the_home_folder(home: Path) -> None:
    private = str(home / "private.txt")
    assert told(home, "import neighbour; return neighbour.WORTH") == 0.5
    assert refused(told(home, f"return len(open({private!r}).read())"), "`readable`")
    assert refused(told(home, f"return len(os.listdir({str(home)!r}))"), "PermissionError")
    assert told(home, f"return len(open({private!r}).read())", readable=(private,)) == 4


@files
def test_in_the_home_folder_itself_its_python_neighbours_are_found_and_nothing_else(home: Path) -> None:
    (home / "helper.py").write_text("WORTH = 0.25\n")
    for body, outcome in (
        ("import helper; return helper.WORTH", 0.25),
        ("return len(open(os.path.expanduser(row['private'])).read())", None),
    ):
        (home / "reward.py").write_text(f"import os\ndef reward(completion, row):\n    {body}\n")
        reward = UserFile(UserFileReward(path=str(home / "reward.py")), Path.cwd())
        said = reward.score([Sample("", "", {"private": str(home / "private.txt")})])[0]
        reward.close()
        assert refused(said, "PermissionError") if outcome is None else said == outcome


def test_the_profile_of_a_mac_names_what_is_allowed_after_what_is_not(tmp_path: Path) -> None:
    made = profile(tmp_path, ["/Users/a/project"], ["/Users/a"], network=False, strict=False)
    assert made.index('(deny file-read* (subpath "/Users")') < made.index(
        '(allow file-read* (subpath "/Users/a/project")'
    )
    assert '(literal "/Users/a")' in made
    assert "(deny network*)" in made
    assert "mach-lookup" not in made
    assert "mach-lookup" in profile(tmp_path, [], [], network=True, strict=True)


@files
def test_it_sees_nothing_of_the_trainer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-1234")
    row = {"trainer": os.getpid()}
    assert told(home, "return float('SECRET_KEY' in os.environ)") == 0
    for name in ("environ", "mem", "maps"):
        assert refused(
            told(home, f"return len(open(f\"/proc/{{row['trainer']}}/{name}\", 'rb').read(9))", row),
            "PermissionError",
        )
    assert refused(told(home, "return len(open(f'/proc/{os.getppid()}/environ').read())"), "PermissionError")


@network
def test_it_has_no_network_unless_that_is_switched_on(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        row = {"port": server.getsockname()[1]}
        call = "socket.create_connection(('127.0.0.1', row['port']), timeout=2).close(); return 1"
        assert refused(told(home, call, row), "`network`")
        assert told(home, call, row, network=True) == 1


def test_a_folder_that_holds_more_than_the_project_is_not_opened(tmp_path: Path) -> None:
    home = (tmp_path / "home").resolve()
    for place in ("reward.py", "other.py", "Documents/reward.py", "work/reward.py"):
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).touch()
    assert beside(home / "reward.py", home) == [str(home / "other.py"), str(home / "reward.py")]
    assert beside(home / "Documents" / "reward.py", home) == [str(home / "Documents" / "reward.py")]
    assert beside(home / "work" / "reward.py", home) == [str(home / "work")]


def test_what_a_system_cannot_keep_is_said_plainly() -> None:
    assert Offer(True, True).sentence() == "It cannot reach your files or the network."
    assert Offer(True, False).sentence() == (
        "It cannot reach your files; this system offers no way to keep the network from it."
    )
    assert Offer(False, False).sentence() == (
        "This system offers no way to keep your files or the network from it."
    )
    assert (
        Offer(True, True).sentence(network=True)
        == "It cannot reach your files; the network is switched on for it."
    )
