"""Waiting between two runs of a queue while the battery is low, in low-power mode and under heat."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, cast

from droid_tune.machine.power import PowerReading, PowerRule, read_power
from droid_tune.paths import settings_file

#: between two looks at battery and heat, and at the wish to stop
LOOK_EVERY_S = 30.0
POLL_S = 0.2


def wait_for_power(
    should_stop: Callable[[], bool],
    say: Callable[[str], None],
    read: Callable[[], PowerReading] = read_power,
    every: float = LOOK_EVERY_S,
) -> None:
    """Return when the rule of the window's settings lets a run begin, or a stop is wished; each reason is said once."""
    rule, said = _rule(), ""
    while (why := rule.why_hold(read(), holding=bool(said))) and not should_stop():
        if why != said:
            say(f"no run begins now: {why}")
            said = why
        until = time.monotonic() + every
        while time.monotonic() < until and not should_stop():
            time.sleep(min(POLL_S, every))


def _rule() -> PowerRule:
    """As the window's settings have it; its own where there are none, or odd ones."""
    try:
        read: Any = json.loads(settings_file().read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        read = {}
    values = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    below = values.get("pause_below")
    return PowerRule(
        below / 100 if isinstance(below, int) else PowerRule.pause_below,
        values.get("pause_in_low_power") is not False,
        values.get("pause_when_hot") is not False,
    )
