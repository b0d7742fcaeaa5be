"""Between the trainer and a worker: ends the worker's whole family as soon as the worker ends or the trainer hangs up.

On Linux orphans become children of this process (a subreaper), so that a double fork or a session of its own hides
nobody. The trainer's pipe tells of its end, even by SIGKILL; it is looked at here and read by the worker alone.
Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from droid_tune.rewards.workers.confine import confine

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_S = 1.0  # between two looks whether the trainer is still the parent; its pipe tells at once
_MOST_ROUNDS = 200  # of killing a family that goes on forking


def keep(worker: str, rules: Mapping[str, Any] | None = None) -> None:
    """Fork `worker` (a module), shut in by `rules`, wait until it or the trainer has ended, end its family, leave as it left."""
    _control_process(_PR_SET_CHILD_SUBREAPER, 1)
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, _woken)
    signal.set_wakeup_fd(woken)
    child = os.fork()
    if child == 0:
        _become(worker, rules)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the worker alone holds the line to the trainer
    status = _wait(child, os.getppid(), wake)
    end_family(os.getpid())
    _leave_as(status)


def _woken(_number: int, _frame: FrameType | None) -> None:
    """A child ended: its wake-up byte is what counts."""


def _become(worker: str, rules: Mapping[str, Any] | None) -> None:
    """The worker itself; it does not outlive its keeper."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if rules is not None:
        confine(rules)
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of credentials would clear it
    runpy.run_module(worker, run_name="__main__")
    os._exit(0)


def _wait(worker: int, trainer: int, wake: int) -> int | None:
    """The worker's wait status, None where the trainer has ended before it. Orphans are reaped on the way."""
    line = select.poll()
    line.register(0, select.POLLHUP)
    line.register(wake, select.POLLIN)
    while os.getppid() == trainer:
        ready = dict(line.poll(_LOOK_S * 1000))
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready and ready[0] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            return None
        status = _reaped().get(worker)
        if status is not None:
            return status
    return None


def _reaped() -> dict[int, int]:
    """Wait statuses of the children that have ended, by process id."""
    found: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found[ended[0]] = ended[1]
    return found


def end_family(root: int) -> None:
    """SIGKILL to every descendant of a process until none is left."""
    for _ in range(_MOST_ROUNDS):
        members = descendants(root)
        if not members:
            return
        for member in members:
            with contextlib.suppress(OSError):
                os.kill(member, signal.SIGKILL)
        _reaped()
        time.sleep(0.005)


def descendants(root: int) -> list[int]:
    """The ids of a process' children, their children and so on; without those that only wait to be reaped."""
    children: dict[int, list[int]] = {}
    living: set[int] = set()
    for process, parent, state in _processes():
        children.setdefault(parent, []).append(process)
        if not state.startswith("Z"):
            living.add(process)
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return [one for one in found if one in living]


def _processes() -> list[tuple[int, int, str]]:
    """(id, parent's id, state) of each process that can be seen."""
    if sys.platform != "linux":
        listed = subprocess.run(
            ["/bin/ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False
        )
        rows = (line.split() for line in listed.stdout.splitlines())
        return [(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]
    found: list[tuple[int, int, str]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            found.append((int(folder.name), int(parent), state.decode()))
    return found


def _leave_as(status: int | None) -> None:
    """Exit as the worker did, by the same signal where one killed it."""
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if status is not None else 0)


def _control_process(option: int, value: int) -> None:
    """Linux's prctl; other systems have none, there the trainer looks for what is left."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
