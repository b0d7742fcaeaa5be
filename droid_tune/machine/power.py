"""Battery, low-power mode and heat, and when a run should hold for them. Imports nothing before it is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from droid_tune import words

Command = Callable[[Sequence[str]], str]
#: a speed limit (percent of the processor's full speed) below this is thermal pressure
HOT_BELOW = 100
#: more charge than the threshold by so much ends a hold, so that it does not flutter
MARGIN = 0.03


@dataclass(frozen=True)
class PowerReading:
    """`charge` from 0 to 1, None without a battery; `speed_limit` in percent, less than 100 where heat slows the chip."""

    charge: float | None = None
    plugged_in: bool = True
    low_power: bool = False
    speed_limit: int = 100


@dataclass(frozen=True)
class PowerRule:
    """When a run holds: on battery below a charge (0: never), in low-power mode, under thermal pressure."""

    pause_below: float = 0.2
    in_low_power: bool = True
    when_hot: bool = True

    def why_hold(self, reading: PowerReading, *, holding: bool = False) -> str:
        """The reason in a clause, `the battery has 18%`; empty where the run may go on."""
        least = self.pause_below + (MARGIN if holding else 0.0)
        if (
            self.pause_below
            and not reading.plugged_in
            and reading.charge is not None
            and reading.charge < least
        ):
            return f"the battery has {words.share(reading.charge)}"
        if self.in_low_power and reading.low_power:
            return "the computer is in low-power mode"
        if self.when_hot and reading.speed_limit < HOT_BELOW:
            return f"heat slows the processor to {reading.speed_limit}%"
        return ""


def read_power(ask: Command | None = None) -> PowerReading:
    """As it is now. `ask` runs a command and returns what it prints; on a Mac `pmset` is asked. Takes some 50 ms."""
    import psutil

    battery = getattr(psutil, "sensors_battery", lambda: None)()
    charge = None if battery is None else max(0.0, min(1.0, battery.percent / 100))
    plugged = battery is None or battery.power_plugged is not False
    if ask is None and sys.platform != "darwin":
        return PowerReading(charge, plugged)
    run = ask or _printed
    return PowerReading(
        charge,
        plugged,
        low_power_in(run(["/usr/bin/pmset", "-g"])),
        limit_in(run(["/usr/bin/pmset", "-g", "therm"])),
    )


def low_power_in(settings: str) -> bool:
    """Whether `pmset -g` says that low-power mode is on."""
    return re.search(r"^\s*lowpowermode\s+1\s*$", settings, re.MULTILINE) is not None


def limit_in(heat: str) -> int:
    """The speed that `pmset -g therm` allows the processor, in percent."""
    found = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", heat)
    return int(found[1]) if found else 100


def _printed(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
