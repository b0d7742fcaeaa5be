"""What the machine took while a run trained, where the system tells it without special rights.

Linux has counters of the processor packages (powercap; readable by root only on most systems), a MacBook the power that its
whole system draws (`PowerTelemetryData` of its battery controller). A desktop Mac tells neither.
"""

from __future__ import annotations

import plistlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

POWERCAP = Path("/sys/class/powercap")
#: watts that a portable computer can draw; anything else is no reading
MOST_WATTS = 1000.0
#: seconds between two readings above which the machine slept or the run was held
LONGEST_GAP_S = 60.0

#: joules since some moment; or None where the system tells none
Counter = Callable[[], float | None]
#: watts now; or None
Gauge = Callable[[], float | None]


def package_joules(folder: Path = POWERCAP) -> float | None:
    """The sum of the processor packages' counters; None where there is none that may be read."""
    total, found = 0.0, False
    for zone in sorted(folder.glob("intel-rapl:[0-9]")):
        try:
            total += int((zone / "energy_uj").read_text(encoding="ascii")) / 1e6
            found = True
        except (OSError, ValueError):
            continue
    return total if found else None


def system_watts() -> float | None:
    """What a MacBook draws now; None on other machines."""
    if sys.platform != "darwin":
        return None
    command = ["/usr/sbin/ioreg", "-r", "-n", "AppleSmartBattery", "-a"]
    try:
        told = subprocess.run(command, capture_output=True, check=True, timeout=2).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return watts_in(told)


def watts_in(told: bytes) -> float | None:
    """`SystemLoad` (milliwatts) in ioreg's property list; None where it is not there or cannot be meant."""
    try:
        entries: Any = plistlib.loads(told)
    except (ValueError, plistlib.InvalidFileException):
        return None
    first: Any = cast("list[Any]", entries)[0] if isinstance(entries, list) and entries else {}
    telemetry: Any = (
        cast("dict[str, Any]", first).get("PowerTelemetryData") if isinstance(first, dict) else None
    )
    load: Any = cast("dict[str, Any]", telemetry).get("SystemLoad") if isinstance(telemetry, dict) else None
    watts = load / 1000 if isinstance(load, int) else 0.0
    return watts if 0 < watts < MOST_WATTS else None


class EnergyMeter:
    """Adds up joules from one reading to the next, beginning with what was known; None as long as nothing is told."""

    def __init__(
        self,
        known: float | None = None,
        counter: Counter = package_joules,
        gauge: Gauge = system_watts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.joules = known
        self._counter, self._gauge, self._clock = counter, gauge, clock
        self._last: tuple[float, float] | None = None  # when, and what the counter or the gauge told

    def read(self) -> float | None:
        """The sum so far. A counter that began anew, and the time of a sleep, add nothing."""
        now, counted = self._clock(), self._counter()
        told = counted if counted is not None else self._gauge()
        if told is None:
            return self.joules
        if self._last is not None:
            then, earlier = self._last
            took = told - earlier if counted is not None else (told + earlier) / 2 * (now - then)
            if 0 <= now - then <= LONGEST_GAP_S and took >= 0:
                self.joules = (self.joules or 0.0) + took
        self._last = (now, told)
        return self.joules
