"""The only way out of the engine: typed events, one JSON line each (DESIGN.md section 4).

An event is written to the run's `events.jsonl` before anyone hears of it, so that an old run, a live run and a
crashed run are read the same way. Numbers that are not finite are null; a notice tells of them.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from droid_tune.names import EpisodeCut, FinishReason

EVENT_VERSION = 1

PhaseName = Literal["load", "prepare", "rollout", "reward", "update", "evaluate", "save"]


class RunEvent(BaseModel):
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
    #: what was estimated of this run, 0 where nothing was
    estimated_peak_bytes: int = 0
    estimated_seconds_per_step: float = 0.0


class RunStarted(RunEvent):
    """First of a run and of every resume of it (`start_step` > 0 then)."""

    type: Literal["run_started"] = "run_started"
    config: dict[str, Any]
    total_steps: int
    start_step: int = 0
    device: str = ""
    memory: MemoryFacts | None = None
    model: dict[str, Any] = {}  # architecture, parameters, trainable parameters, bits
    data: dict[str, Any] = {}  # rows per split


class Phase(RunEvent):
    """Where the engine is. `done` of `total` counts the phase's own `unit`; `tokens` of at most `most_tokens` is how long
    the completions in hand have grown."""

    type: Literal["phase"] = "phase"
    phase: PhaseName
    step: int
    done: int = 0
    total: int = 0
    unit: str = ""
    tokens: int = 0
    most_tokens: int = 0


class PlanChosen(RunEvent):
    """How the engine portions its work to stay inside the memory budget."""

    type: Literal["plan"] = "plan"
    step: int = 0
    sentence: str
    details: dict[str, Any] = {}


class Step(RunEvent):
    """One update of the weights. `metrics` by catalogue name; null where a number was not finite."""

    type: Literal["step"] = "step"
    step: int
    metrics: dict[str, float | None]
    seconds: dict[str, float] = {}
    applied: bool = True
    why: Literal["", "no_signal", "non_finite"] = ""  # it was not applied


class PlayedCall(BaseModel):
    """A call that a turn makes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    arguments: dict[str, Any] = {}


class PlayedTurn(BaseModel):
    """One turn of an episode, behind its prompt.

    `text` is what is said beside the `calls` that were read; a call that cannot be read stays in it. `tokens` of the turn
    are the model's, or were read where the environment spoke; `seconds` is how long it took to answer. `failed`: why a
    call of the turn before failed. `shortened`: `text` is cut.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["assistant", "tool", "user", "system"]
    text: str
    calls: list[PlayedCall] = []
    name: str = ""
    reward: float | None = None
    seconds: float = 0.0
    failed: str = ""
    tokens: int = 0
    shortened: bool = False


class Completion(BaseModel):
    """One sampled completion as a person reads it. `reward` null: no reward applied; `advantage` null: it was not trained
    on (cut off where such are masked, or one of those that `train_completions` leaves out).

    Of an episode `turns` are all behind its prompt, `text` is the last answer, `length` what the model wrote in all, and
    `cut` what ended it before its end.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str
    reward: float | None
    rewards: dict[str, float | None] = {}
    reasons: dict[str, str] = {}  # why a reward said what it said, where it has words for it
    advantage: float | None = 0.0
    length: int
    finish_reason: FinishReason
    turns: list[PlayedTurn] = []
    cut: EpisodeCut = ""


class RolloutGroup(RunEvent):
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


class TokenTrace(BaseModel):
    """One completion token by token: its text, how much likelier (log) the update made it, and its entropy (nats)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pieces: list[str]
    log_ratio: list[float]
    entropy: list[float]


class TokenDetails(RunEvent):
    """What an update did to the first completions of one group; of some steps only. `step` and `group` as in the rollout."""

    type: Literal["tokens"] = "tokens"
    step: int
    group: int
    completions: list[TokenTrace]


class Evaluation(RunEvent):
    """Greedy answers to held-out rows after `step` updates."""

    type: Literal["evaluation"] = "evaluation"
    step: int
    metrics: dict[str, float | None]
    rows: int
    seconds: float = 0.0


class CheckpointSaved(RunEvent):
    """Saved and re-read; `path` is relative to the run folder."""

    type: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str
    bytes: int = 0


#: the code of the one notice on rewards that fail: each one of it replaces the one before
REWARD_FAILED = "reward_failed"


class Steered(RunEvent):
    """A person changed something between two updates, `step` of which were done; `before` is what it was.

    `action` is what was done instead (save, evaluate); `wish` names the line of `steering.jsonl` that asked for it.
    """

    type: Literal["steered"] = "steered"
    step: int
    settings: dict[str, float | None] = {}
    before: dict[str, float | None] = {}
    action: str = ""
    wish: str = ""


class Notice(RunEvent):
    """Something a person should know: a code for tests, a sentence, and what to do."""

    type: Literal["notice"] = "notice"
    level: Literal["info", "warning", "error"]
    code: str
    text: str
    remedy: str = ""
    step: int | None = None


class Paused(RunEvent):
    """The run met something that its user can mend. It is saved as far as the disk allows, waits, and then tries again.

    `reason`: what has to be mended.
    """

    type: Literal["paused"] = "paused"
    step: int
    reason: Literal["reward", "disk", "data", "folder", "numbers"]
    text: str
    remedy: str = ""


class Continued(RunEvent):
    """The user said go on: what the run had paused for is tried again."""

    type: Literal["continued"] = "continued"
    step: int


class RunFinished(RunEvent):
    """Last of a run (until it is resumed). `interrupted`: the engine's process was ended, which only whoever started it tells."""

    type: Literal["run_finished"] = "run_finished"
    outcome: Literal["completed", "stopped", "failed", "interrupted"]
    step: int
    why: str = ""
    result: str = ""  # the adapter's or model's folder, relative to the run folder
    outside: bool = (
        False  # it failed for what lies beside the run: its disk, folder or data, or what the system refused
    )


Event = (
    RunStarted
    | Phase
    | PlanChosen
    | Step
    | RolloutGroup
    | TokenDetails
    | Evaluation
    | CheckpointSaved
    | Steered
    | Notice
    | Paused
    | Continued
    | RunFinished
)
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])

#: told live, but not kept: they say where the engine is, not what happened
TRANSIENT = (Phase,)
#: kept in rollouts.jsonl, because they are most of a run's bytes
ROLLOUTS = (RolloutGroup, TokenDetails)


def finite(value: float | None) -> float | None:
    """The number, or None where it is NaN, infinite, or an integer above all floating-point numbers."""
    try:
        return None if value is None or not math.isfinite(value) else float(value)
    except OverflowError:
        return None


def finite_values(value: Any) -> Any:
    """A JSON value with null wherever a number in it is not finite, which strict JSON cannot hold."""
    match value:
        case float():
            return finite(value)
        case dict():
            return {name: finite_values(one) for name, one in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [finite_values(one) for one in cast("list[Any]", value)]
        case _:
            return value


def to_line(event: Event) -> str:
    """One line of strict JSON, without the line end."""
    return event.model_dump_json()


def parse_event(line: str | bytes) -> Event:
    """The event in a line. Raises ValueError where it is none."""
    return _ADAPTER.validate_json(line)


def event_of(line: bytes) -> Event | None:
    """The event in a line that a child wrote; None in an empty line, and in one that is none."""
    try:
        return parse_event(line) if line else None
    except ValidationError:
        return None
