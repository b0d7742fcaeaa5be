"""Whether the system as a whole runs short of memory, as the system itself judges it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Literal

import psutil

Pressure = Literal["normal", "warning", "critical"]

#: `kern.memorystatus_vm_pressure_level` of macOS
_DARWIN: dict[int, Pressure] = {1: "normal", 2: "warning", 4: "critical"}
#: shares of the last ten seconds (percent) in which some, or all, tasks waited for memory (Linux PSI)
SOME_PERCENT, FULL_PERCENT = 20.0, 20.0
LEVELS: dict[Pressure, int] = {"normal": 0, "warning": 1, "critical": 2}


def read_pressure() -> Pressure:
    """The system's own word; `normal` where it has none."""
    if sys.platform == "darwin":
        return _DARWIN.get(_sysctl_int("kern.memorystatus_vm_pressure_level"), "normal")
    try:
        return pressure_in(Path("/proc/pressure/memory").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return "normal"


def pressure_in(text: str) -> Pressure:
    """Linux's pressure stall information: `some avg10=0.00 ...` and `full avg10=0.00 ...`."""
    shares = {"some": 0.0, "full": 0.0}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        for word in rest.split():
            name, _, value = word.partition("=")
            if name == "avg10" and kind in shares:
                shares[kind] = float(value)
    if shares["full"] >= FULL_PERCENT:
        return "critical"
    return "warning" if shares["some"] >= SOME_PERCENT else "normal"


def process_bytes() -> int:
    """Resident memory of this process."""
    try:
        return int(psutil.Process().memory_info().rss)
    except psutil.Error:
        return 0


def _sysctl_int(name: str) -> int:
    """A number from macOS, without starting a process: it is asked after every step."""
    value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    try:
        library = ctypes.CDLL(None)
        failed = library.sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return 0
    return 0 if failed else value.value
