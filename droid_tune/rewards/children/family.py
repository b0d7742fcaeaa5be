"""A child process with all that it has started: how much memory they take, and that none of them is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable

import psutil

#: the environment variable that all of one child's family inherit: by it runaways are known that left the family
MARK = "DROID_TUNE_FAMILY"

#: the keeper needs milliseconds; one that was stopped or killed by the code it keeps is not waited for
_GRACE_S = 2.0


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants; none where it is gone or not ours to see."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def resident_bytes(pid: int) -> int:
    """Memory of a process and all its descendants."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def end_newcomers(pid: int, settled: Collection[int]) -> None:
    """SIGKILL to the descendants of a process that are not among the `settled` ones."""
    _kill(member for member in family(pid) if member.pid not in settled)


def end_family(process: subprocess.Popen[bytes], mark: str) -> None:
    """Hang up on a keeper, which ends its family and itself; what is left afterwards is killed here, then it is waited for.

    `mark` is the family's: on systems without subreapers, and where the keeper itself was killed, by it the rest is found.
    """
    members = family(process.pid) if process.poll() is None else []
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    if process.poll() is None:
        kill(process)
        _kill(members)
        _kill(family(process.pid))
    if process.wait() != 0 or sys.platform != "linux":
        _kill(marked(mark))


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a keeper's group: the worker ends with it, and what hides is found by its mark afterwards."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def marked(mark: str) -> list[psutil.Process]:
    """The processes of this user that were started with the family's mark."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _kill(members: Iterable[psutil.Process]) -> None:
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.kill()
