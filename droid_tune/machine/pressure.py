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


def process_bytes(pid: int = 0) -> int:
    """What the system counts as a process's memory (this one's for 0): resident, on macOS its footprint, which is the
    Activity Monitor's figure and holds what is compressed and what the GPU uses too. 0 for a process that is gone."""
    try:
        process = psutil.Process(pid or None)
        return (sys.platform == "darwin" and _footprint(process.pid)) or int(process.memory_info().rss)
    except psutil.Error:
        return 0


class _Usage(ctypes.Structure):
    """`rusage_info_v0` of <libproc.h>."""

    _fields_ = (
        ("uuid", ctypes.c_uint8 * 16),
        *((f"before_{number}", ctypes.c_uint64) for number in range(7)),
        ("footprint", ctypes.c_uint64),
        *((f"after_{number}", ctypes.c_uint64) for number in range(2)),
    )


def _footprint(pid: int) -> int:
    """macOS's `ri_phys_footprint`, 0 where it is not told."""
    usage = _Usage()
    try:
        failed = ctypes.CDLL(None).proc_pid_rusage(pid, 0, ctypes.byref(usage))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else int(usage.footprint)


def _sysctl_int(name: str) -> int:
    """A number from macOS, without starting a process: it is asked after every step."""
    value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    try:
        library = ctypes.CDLL(None)
        failed = library.sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return 0
    return 0 if failed else value.value
