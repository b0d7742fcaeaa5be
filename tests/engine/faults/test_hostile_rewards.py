"""Rewards that break whatever they can: each costs its own completions, ends the run with a sentence, or nothing."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from droid_tune.control import Control
from droid_tune.events import Event, Step
from droid_tune.rewards.children.family import MARK
from droid_tune.runs.folder import create_run
from tests.engine.train.conftest import Training, tiny

pytestmark = pytest.mark.faults

#: what a function does with a completion -> whether the run may go on
HOSTILE = {
    "exits": "os._exit(3)",
    "kills itself": "os.kill(os.getpid(), 9)",
    "kills its keeper": "os.kill(os.getppid(), 9)",
    "kills its group": "os.killpg(0, 9)",
    "stops its keeper": "os.kill(os.getppid(), 19)",
    "forks": "[os.fork() for _ in range(4)]",
    "sleepers": "[subprocess.Popen(['sleep', '7654321'], start_new_session=True) for _ in range(50)]",
    "closes all files": "os.closerange(0, 256)",
    "writes into every file": "[os.write(n, b'{}\\n') for n in range(3, 64) if writable(n)]",
    "recurses": "f(completion, row)",
    "eats memory": "[0] * 10**10",
    "hangs": "time.sleep(999)",
    "raises SystemExit": "exit(1)",
    "a number with effects": "type('X', (float,), {'__float__': lambda self: os._exit(1)})()",
    "prints without end": "print('x' * 10**8)",
    "threads": "[threading.Thread(target=time.sleep, args=(999,)).start() for _ in range(20)]",
    "double forks into a session": "os.fork() or (os.setsid(), os.fork(), os.execvp('sleep', ['sleep', '7654321']))",
    "closes its own output": "(os.close(1), os.close(2))",
    "answers a line too much": "os.write(1, b'[1]' + bytes([10]))",
    "one line without end": "[os.write(n, b'x' * 2**20) for n in range(1, 12) if writable(n) for _ in range(64)]",
    "returns itself": "f",
    "an error without words": "(_ for _ in ()).throw(type('', (BaseException,), {'__str__': lambda self: 1 / 0})())",
    "an error of a megabyte": "int('9' * 4000 + 'x' * 2**20)",
    "replaces what it was imported with": "[setattr(m, 'loads', 0) for m in list(sys.modules.values()) if hasattr(m, 'loads')]",
    "empties its modules": "sys.modules.clear()",
    "stops itself": "os.kill(os.getpid(), 19)",
    "a fault of the machine": "__import__('ctypes').string_at(0)",
    "fills its scratch folder": "open('big', 'wb').truncate(2**50)",
    "fills the interpreter's exit": "__import__('atexit').register(lambda: time.sleep(999))",
    "signals off": "[signal.signal(n, signal.SIG_IGN) for n in (2, 15, 1)]",
    "changes the limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
}
SOURCE = """
import os, resource, signal, subprocess, sys, threading, time
def writable(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
def f(completion, row):
    {deed}
    return 1
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the rewards' processes of this test have their homes, by which they are known wherever they hide."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def left_over(scratch: Path) -> list[psutil.Process]:
    """Processes of rewards that are still there, whoever is their parent by now."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            if MARK in environment and environment.get("HOME", "").startswith(str(scratch)):
                found.append(process)
    return found


@pytest.mark.parametrize("deed", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_reward_ends_in_words_and_leaves_nobody(
    deed: str, training: Training, scratch: Path, tmp_path: Path
) -> None:
    (tmp_path / "hostile.py").write_text(SOURCE.format(deed=deed))
    config = tiny(
        rewards=[
            {"type": "length", "target": 8},
            {
                "type": "user_file",
                "path": str(tmp_path / "hostile.py"),
                "timeout_seconds": 2,
                "failure_share": 1.0,
            },
        ],
        training={"iterations": 1, "batch_size": 1},
    )
    create_run(config, tmp_path / "run")
    record: list[Event] = []
    finished = training(tmp_path / "run", Control(), record.append)
    assert finished.outcome == "completed", finished.why
    assert [event.step for event in record if isinstance(event, Step)] == [1]
    assert not left_over(scratch)
    assert not [
        one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "7654321"]
    ]
