"""What the system offers to shut a child process in further: no network, and on macOS no writing outside its scratch folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

#: the command to put before a child's own, given the folder it may write to
Wrapper = Callable[[Path], Sequence[str]]


@cache
def offline_wrapper() -> Wrapper | None:
    """A wrapper that works here, None where the system offers none."""
    candidates = [seatbelt] if sys.platform == "darwin" else [own_network, own_network_as_user]
    return next((wrapper for wrapper in candidates if works(wrapper)), None)


def works(wrapper: Wrapper) -> bool:
    """Whether a command runs inside the wrapper on this machine."""
    command = [*wrapper(Path("/tmp")), "true"]
    if shutil.which(command[0]) is None:
        return False
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def own_network(_: Path) -> Sequence[str]:
    """Linux, as root: a network namespace without any interface that is up."""
    return ["unshare", "--net", "--"]


def own_network_as_user(_: Path) -> Sequence[str]:
    """Linux, where users may have namespaces of their own."""
    return ["unshare", "--map-root-user", "--net", "--"]


def seatbelt(scratch: Path) -> Sequence[str]:
    """macOS: the sandbox that its own services run in."""
    folder = str(scratch.resolve()).replace('"', '\\"')
    profile = (
        "(version 1)(allow default)(deny network*)(deny file-write*)"
        f'(allow file-write* (subpath "{folder}") (literal "/dev/null"))'
    )
    return ["sandbox-exec", "-p", profile]
