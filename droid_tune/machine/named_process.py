"""A process written down in a file, so that another one can tell later whether it still lives."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """This process: its computer, its number, and when it began (numbers are given again)."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": psutil.Process().create_time()}


def is_of_this_computer(named: dict[str, Any]) -> bool:
    """Whether it can be looked for here: a folder may be shared by several computers."""
    return named.get("host") == socket.gethostname()


def still_lives(named: dict[str, Any]) -> bool:
    """Whether a process of this computer is there still, and no other of its number."""
    try:
        return abs(psutil.Process(int(named["pid"])).create_time() - float(named["began"])) < 1.0
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False
