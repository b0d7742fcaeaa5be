"""A queue in a terminal rests while the battery is low, in low-power mode and under heat."""

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


class PowerGate:
    """Lets runs of a queue begin and go on as the rule of the window's settings has it; each reason is said once."""

    def __init__(
        self,
        should_stop: Callable[[], bool],
        say: Callable[[str], None],
        read: Callable[[], PowerReading] = read_power,
        every: float = LOOK_EVERY_S,
    ) -> None:
        self._should_stop, self._say, self._read, self._every = should_stop, say, read, every
        self._next_look = 0.0

    def wait(self) -> None:
        """Return when a run may begin, or a stop is wished."""
        rule, said = _rule(), ""
        while (why := rule.why_hold(self._read(), holding=bool(said))) and not self._should_stop():
            if why != said:
                self._say(f"no run begins now: {why}")
                said = why
            until = time.monotonic() + self._every
            while time.monotonic() < until and not self._should_stop():
                time.sleep(min(POLL_S, self._every))
        self._next_look = time.monotonic() + self._every

    def closes(self) -> bool:
        """Whether the run that trains is to be saved and to wait; looks again only after some seconds."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + self._every
        why = _rule().why_hold(self._read())
        if why:
            self._say(f"the run is saved and waits: {why}")
        return bool(why)


def _rule() -> PowerRule:
    """As the window's settings have it; its own where there are none, or odd ones."""
    try:
        read: Any = json.loads(settings_file().read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        read = {}
    values = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    below = values.get("pause_below")
    return PowerRule(
        below / 100 if isinstance(below, int) and 0 <= below <= 100 else PowerRule.pause_below,
        values.get("pause_in_low_power") is not False,
        values.get("pause_when_hot") is not False,
    )
