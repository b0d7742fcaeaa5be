"""Rewards that break whatever they can: each costs its own completions, ends the run with a sentence, or nothing."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from droid_tune.control import Control
from droid_tune.events import Event, Step
from droid_tune.rewards.family import MARK
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from tests.engine.train.conftest import tiny

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


@pytest.mark.parametrize("deed", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_reward_ends_in_words_and_leaves_nobody(deed: str, tmp_path: Path) -> None:
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
    finished = run_training(config, tmp_path / "run", Control(), record.append)
    assert finished.outcome == "completed", finished.why
    assert [event.step for event in record if isinstance(event, Step)] == [1]
    assert not [one for one in psutil.Process().children(recursive=True) if MARK in one.environ()]
    assert not [
        one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "7654321"]
    ]
