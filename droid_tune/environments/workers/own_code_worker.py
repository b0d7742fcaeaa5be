"""Child: a user's tools or environment class. It makes the calls that it is told of, and keeps an object per episode."""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from types import FrameType
from typing import Any

from droid_tune.environments.workers.own_class import (
    EpisodeJudge,
    class_of,
    judge_of,
    methods_of,
    needs_of,
    taken_by,
)
from droid_tune.environments.workers.own_tools import functions_of, refuse_doubles, schema_for
from droid_tune.rewards.workers.protocol import Message, serve, throw_dice
from droid_tune.rewards.workers.user_code import (
    Refused,
    described,
    execute,
    is_finite,
    load_dice,
    place_of,
    shown,
)

_MODULE_NAME = "user_environment"
#: between two looks at the clock while the user's code runs
_LONGEST_TICK_S = 0.25


class TookTooLong(BaseException):
    """Raised inside the user's code once its time is up; no `except Exception` of his holds it."""


class Held:
    """What this process was set up with, and the objects of the episodes that are open."""

    path = ""
    tools: Mapping[str, Callable[..., Any]] = {}
    made: type[Any] | None = None
    judge = EpisodeJudge()
    episodes: dict[int, Any] = {}  # noqa: RUF012 - of the one process


def handle(request: Message) -> Message:
    """Every mistake in the user's code becomes `{"error", "place"}` or `{"raised"}`; this process goes on."""
    try:
        return _DOES[request["do"]](request)
    except Refused as error:
        return {"error": str(error), "place": f"{Held.path}:{error.line}" if error.line else Held.path}
    except BaseException as error:
        return {"error": described(error), "place": place_of(error, Held.path), "raised": True}
    finally:
        sys.stdout.flush()


def set_up(request: Message) -> Message:
    """Runs the file and takes its tools, or its class. Raises Refused with the line where it cannot be used."""
    Held.path = request["path"]
    load_dice(request["source"])
    sys.path.append(str(Path(Held.path).parent))
    refuse_doubles(request["source"], Held.path, request.get("name", ""), request["kind"])
    module = execute(request["source"], Held.path, _MODULE_NAME)
    if request["kind"] == "tools":
        Held.tools = functions_of(module, request["functions"], _MODULE_NAME)
        return {"tools": [schema_for(one) for one in Held.tools.values()], "needs": [], "judge": ""}
    made, one = class_of(module, request["name"], _MODULE_NAME)
    Held.made, Held.judge = made, judge_of(module, one, request["reward"], _MODULE_NAME)
    tools = [schema_for(method) for method in methods_of(one).values()]
    return {"tools": tools, "needs": needs_of(one), "judge": Held.judge.kind, "name": made.__name__}


def begin(request: Message) -> Message:
    """A new object for an episode, reset with the row."""
    assert Held.made is not None
    with Limited(request["seconds"]):
        one = Held.made()
        throw_dice(request["seed"])  # whatever the constructor drew
        given = awaited(one.reset(**taken_by(one.reset, request["row"])))
    if given is not None and not isinstance(given, str):
        raise Refused(f"the method `reset` gave {shown(given)}, not a text or None")
    Held.episodes[request["episode"]] = one
    return {"observation": given}


def call(request: Message) -> Message:
    """`{"result"}` as text, or `{"raised"}` what the tool raised: the model reads both."""
    tools = methods_of(_open(request)) if Held.made is not None else Held.tools
    try:
        with Limited(request["seconds"]):
            return {"result": as_text(awaited(tools[request["name"]](**request["arguments"])))}
    except TookTooLong:
        return {"raised": f"took longer than {request['seconds']:g} s", "timeout": True}
    except Refused as error:
        return {"raised": str(error), "nonsense": True}
    except BaseException as error:
        told = str(error) if isinstance(error, Exception) else described(error)
        return {"raised": told or type(error).__name__, "place": place_of(error, Held.path)}


def judge(request: Message) -> Message:
    """`{"value"}`: what the class, or the reward function beside it, gives the episode."""
    with Limited(request["seconds"]):
        value = awaited(Held.judge.value(_open(request), request["told"]))
    return {"value": as_reward(value)}


def end(request: Message) -> Message:
    """Forget an episode's object."""
    Held.episodes.pop(request["episode"], None)
    return {}


_DOES: dict[str, Callable[[Message], Message]] = {
    "set_up": set_up,
    "begin": begin,
    "call": call,
    "judge": judge,
    "end": end,
}


def _open(request: Message) -> Any:
    one = Held.episodes.get(request["episode"])
    if one is None:
        raise Refused("was lost: its process was ended")
    return one


class Limited:
    """Raises TookTooLong in the code inside once its seconds are over; what does not let itself be interrupted is
    ended by the parent.

    As with the parent's `Allowance`, a time in which this process was suspended (a closed lid, a machine that stood) counts
    little: else the same calls would end otherwise in a run that goes on.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._tick = min(_LONGEST_TICK_S, seconds / 10)
        self._clock, self._looked = clock, clock()

    def __enter__(self) -> None:
        self._looked = self._clock()
        signal.signal(signal.SIGALRM, self.look)
        signal.setitimer(signal.ITIMER_REAL, self._tick, self._tick)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def look(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """At the clock. Raises TookTooLong."""
        now = self._clock()
        self._left -= min(now - self._looked, 2 * self._tick)
        self._looked = now
        if self._left <= 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise TookTooLong


def awaited(value: Any) -> Any:
    """What a coroutine comes to, or the value itself."""
    if not inspect.isawaitable(value):
        return value

    async def whole() -> Any:
        return await value

    return asyncio.run(whole())


def as_text(value: Any) -> str:
    """A tool's result as the model reads it: text as it stands, lists and objects as JSON. Raises Refused."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    if (
        not isinstance(value, (int, float, bool))
        and hasattr(value, "item")
        and getattr(value, "size", 1) == 1
    ):
        return str(value.item())  # a scalar of NumPy's or torch's
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise Refused(f"gave {shown(value)}, which is no text and no plain values") from None


def as_reward(value: Any) -> float | None:
    """None or a finite number. Raises Refused."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if value is None:
        return None
    if not isinstance(value, Real) or not is_finite(value):
        raise Refused(f"{Held.judge.named} gave {shown(value)}, not a finite number or None")
    return float(value)


if __name__ == "__main__":
    serve(handle)
