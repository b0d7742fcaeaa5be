"""The only way out of the engine: typed events, one JSON line each (DESIGN.md section 4).

An event is written to the run's `events.jsonl` before anyone hears of it, so that an old run, a live run and a
crashed run are read the same way. Numbers that are not finite are null; a notice tells of them.
"""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

EVENT_VERSION = 1

PhaseName = Literal["load", "rollout", "reward", "update", "evaluate", "save"]
FinishReason = Literal["stop", "length"]


class _Event(BaseModel):
    """`seq` counts from 1 within a run and goes on over a resume; `time` is seconds since 1970."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = EVENT_VERSION
    seq: int = 0
    time: float = 0.0
    run_id: str = ""


class MemoryFacts(BaseModel):
    """Bytes: what the machine has, what the GPU recommends, what this run may use."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    total_bytes: int
    gpu_limit_bytes: int
    budget_bytes: int
    #: what was foretold of this run, 0 where nothing was
    estimated_peak_bytes: int = 0
    estimated_seconds_per_step: float = 0.0


class RunStarted(_Event):
    """First of a run and of every resume of it (`start_step` > 0 then)."""

    type: Literal["run_started"] = "run_started"
    config: dict[str, Any]
    total_steps: int
    start_step: int = 0
    device: str = ""
    memory: MemoryFacts | None = None
    model: dict[str, Any] = {}  # architecture, parameters, trainable parameters, bits
    data: dict[str, Any] = {}  # rows per split


class Phase(_Event):
    """Where the engine is. `done` of `total` counts the phase's own `unit`."""

    type: Literal["phase"] = "phase"
    phase: PhaseName
    step: int
    done: int = 0
    total: int = 0
    unit: str = ""


class Plan(_Event):
    """How the engine portions its work to stay inside the memory budget."""

    type: Literal["plan"] = "plan"
    step: int = 0
    sentence: str
    details: dict[str, Any] = {}


class Step(_Event):
    """One update of the weights. `metrics` by catalogue name; null where a number was not finite."""

    type: Literal["step"] = "step"
    step: int
    metrics: dict[str, float | None]
    seconds: dict[str, float] = {}
    applied: bool = True


class Completion(BaseModel):
    """One sampled completion as a person reads it. `reward` null: no reward applied."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str
    reward: float | None
    rewards: dict[str, float | None] = {}
    advantage: float = 0.0
    length: int
    finish_reason: FinishReason


class RolloutGroup(_Event):
    """A prompt and its group of completions; `row` is the data row's number (from 0), `group` its place.

    `step` is the update that first learns from it; of held-out rows, how many updates were done.
    """

    type: Literal["rollout"] = "rollout"
    step: int
    group: int
    row: int | None = None
    prompt: str
    answer: str | None = None
    completions: list[Completion]
    held_out: bool = False


class Evaluation(_Event):
    """Greedy answers to held-out rows after `step` updates."""

    type: Literal["evaluation"] = "evaluation"
    step: int
    metrics: dict[str, float | None]
    rows: int
    seconds: float = 0.0


class Checkpoint(_Event):
    """Saved and re-read; `path` is relative to the run folder."""

    type: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str
    bytes: int = 0


class Notice(_Event):
    """Something a person should know: a code for tests, a sentence, and what to do."""

    type: Literal["notice"] = "notice"
    level: Literal["info", "warning", "error"]
    code: str
    text: str
    remedy: str = ""
    step: int | None = None


class RunFinished(_Event):
    """Last of a run (until it is resumed)."""

    type: Literal["run_finished"] = "run_finished"
    outcome: Literal["completed", "stopped", "failed"]
    step: int
    why: str = ""
    result: str = ""  # the adapter's or model's folder, relative to the run folder


Event = RunStarted | Phase | Plan | Step | RolloutGroup | Evaluation | Checkpoint | Notice | RunFinished
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])

#: told live, but not kept: they say where the engine is, not what happened
TRANSIENT = (Phase,)
#: kept in rollouts.jsonl, because they are most of a run's bytes
ROLLOUTS = (RolloutGroup,)


def finite(value: float | None) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)


def to_line(event: Event) -> str:
    """One line of strict JSON, without the line end."""
    return event.model_dump_json()


def parse_event(line: str | bytes) -> Event:
    """The event in a line. Raises ValueError where it is none."""
    return _ADAPTER.validate_json(line)


E = TypeVar("E", bound=_Event)


class EventLog:
    """Numbers, stamps and appends events to a run's files, each line whole before the next.

    Opening it cuts off a half-written last line (a crash) and goes on counting where the files end.
    """

    def __init__(self, events: Path, rollouts: Path, run_id: str) -> None:
        self.run_id = run_id
        self._seq = 0
        for file in (events, rollouts):
            mend_tail(file)
            self._seq = max(self._seq, last_seq(file))
        self._events: IO[str] = events.open("a", encoding="utf-8", newline="\n")
        self._rollouts: IO[str] = rollouts.open("a", encoding="utf-8", newline="\n")

    def write(self, event: E) -> E:
        """The event as it was written: with its number, time and run. Transient ones are only stamped."""
        self._seq += 1
        stamped = event.model_copy(update={"seq": self._seq, "time": time.time(), "run_id": self.run_id})
        if not isinstance(stamped, TRANSIENT):
            file = self._rollouts if isinstance(stamped, ROLLOUTS) else self._events
            file.write(stamped.model_dump_json() + "\n")
            file.flush()
        return stamped

    def sync(self) -> None:
        """Everything written so far is on the disk when this returns."""
        for file in (self._events, self._rollouts):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        self.sync()
        self._events.close()
        self._rollouts.close()


def read_events(file: Path) -> Iterator[Event]:
    """The events of a file in order. A line of a newer version or a torn last line is passed over."""
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        return
    with lines:
        for line in lines:
            try:
                yield _ADAPTER.validate_json(line)
            except ValidationError:
                continue


def replay(events: Path, rollouts: Path) -> Iterator[Event]:
    """A run's events and rollouts in the order in which they happened."""
    yield from heapq.merge(read_events(events), read_events(rollouts), key=lambda event: event.seq)


def mend_tail(file: Path) -> None:
    """Cut a last line that was never finished, so that the next one starts a line of its own."""
    if not file.exists():
        return
    with file.open("rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        position = size
        while position > 0:
            step = min(65536, position)
            handle.seek(position - step)
            end = handle.read(step).rfind(b"\n")
            if end >= 0:
                position = position - step + end + 1
                break
            position -= step
        if position < size:
            handle.truncate(position)


def last_seq(file: Path) -> int:
    """The number of the last event in a file, 0 where there is none."""
    last = 0
    for event in read_events(file):
        last = max(last, event.seq)
    return last
