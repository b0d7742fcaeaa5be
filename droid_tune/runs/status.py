"""`status.json`: what the list of runs shows of a run. Whatever stands in it, the list lists."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from droid_tune.events import finite, finite_values
from droid_tune.runs.best import Best
from droid_tune.runs.disk.durable import write_text

State = Literal["created", "running", "completed", "stopped", "failed", "interrupted"]
STATUS_FILE = "status.json"

#: no step count and no time (seconds since 1970) is larger, whatever a damaged file says
_LARGEST = 1e10


@dataclass(frozen=True)
class Status:
    """As it was written last; None where it says nothing (or nothing that can be meant). `fault`: why it is damaged."""

    state: State = "created"
    step: int | None = None
    total_steps: int | None = None
    created: float | None = None
    updated: float | None = None
    why: str = ""
    metrics: dict[str, float] | None = None
    best: Best | None = None
    joules: float | None = None  # what the machine took, where it tells
    seconds: float | None = None  # at work, over all its sessions
    fault: str = ""


def write_status(folder: Path, **values: Any) -> None:
    """Replace the status; whole or not there. Raises UserError where the disk refuses."""
    told = finite_values({**values, "updated": time.time()})
    write_text(folder / STATUS_FILE, json.dumps(told, allow_nan=False))


def read_status(folder: Path) -> Status:
    """The status as it was written last; raises nothing."""
    try:
        values: Any = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Status()
    except (OSError, ValueError, RecursionError) as error:
        return Status(fault=f"Its {STATUS_FILE} cannot be read ({error}).")
    if not isinstance(values, dict):
        return Status(fault=f"Its {STATUS_FILE} holds no status.")
    return _status(cast("dict[str, Any]", values))


def _status(values: dict[str, Any]) -> Status:
    """Every value that has the form of its field; `fault` names those that have not."""
    state, why, metrics = values.get("state", "created"), values.get("why", ""), values.get("metrics")
    step, total_steps = _count(values.get("step")), _count(values.get("total_steps"))
    created, updated = _number(values.get("created")), _number(values.get("updated"))
    understood = {
        "state": state in get_args(State) if isinstance(state, str) else False,
        "step": step is not None or "step" not in values,
        "total_steps": total_steps is not None or "total_steps" not in values,
        "created": created is not None or "created" not in values,
    }
    odd = [name for name, fits in understood.items() if not fits]
    return Status(
        state=cast("State", state) if understood["state"] else "created",
        step=step,
        total_steps=total_steps,
        created=created,
        updated=updated,
        why=why if isinstance(why, str) else "",
        metrics=_metrics(metrics),
        best=_best(values.get("best")),
        joules=_number(values.get("joules")),
        seconds=_number(values.get("seconds")),
        fault=f"Its {STATUS_FILE} has no usable {', '.join(odd)}." if odd else "",
    )


def _number(value: Any) -> float | None:
    """A number between 0 and the largest that can be meant."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= _LARGEST else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _best(value: Any) -> Best | None:
    """The best held-out evaluation; None where there is none, or it has another form."""
    if not isinstance(value, dict):
        return None
    values = cast("dict[str, Any]", value)
    step, metric, found = _count(values.get("step")), values.get("metric"), values.get("value")
    if step is None or not isinstance(metric, str) or not isinstance(found, int | float):
        return None
    number = finite(found)
    return None if number is None else Best(step, metric, number)


def _metrics(value: Any) -> dict[str, float] | None:
    """The entries that are numbers."""
    if not isinstance(value, dict):
        return None
    return {
        str(name): float(number)
        for name, number in cast("dict[Any, Any]", value).items()
        if isinstance(number, int | float) and abs(number) < _LARGEST**4 and math.isfinite(number)
    }


def may_go_on(state: str, step: int, total_steps: int) -> bool:
    """Whether a run that ended so can be resumed: before its first step, between its steps, or behind the last one where its
    result was not written."""
    return state in ("stopped", "interrupted", "failed") and 0 < total_steps >= step
