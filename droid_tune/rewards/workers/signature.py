"""Which of the known ways a user's function wants to be called, read from its parameters.

* each: `(completion, row)`, with any of prompt, messages, length, finish_reason, prompt_ends as well;
* verl: `(data_source, solution_str, ground_truth, extra_info=None)`, its `compute_score`, for one completion too;
* batch: `(prompts, completions, **columns)`, TRL's form, and `(prompts, completions, answers, types=None)`, mlx-lm-lora's.

Arguments are passed by name, so their order does not matter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

EACH_KNOWS = ("completion", "row", "prompt", "messages", "length", "finish_reason", "prompt_ends")
VERL_KNOWS = ("data_source", "solution_str", "ground_truth", "extra_info")
BATCH_KNOWS = ("prompts", "completions")
#: mlx-lm-lora's names -> the columns they may stand for
OTHER_NAMES = {"answers": ("answers", "answer"), "types": ("types", "type")}
#: what TRL's trainer passes of itself
NOT_PASSED = frozenset(
    ("completion_ids", "prompt_ids", "trainer_state", "log_extra", "log_metric", "environments")
)
WANTED = "write `def reward(completion, row)` or `def reward(prompts, completions, **columns)`"


class UnknownSignature(Exception):  # noqa: N818 - it says what was found
    """A function that fits none of the known forms; the message is one clause."""


@dataclass(frozen=True)
class Signature:
    """How to call a function. `columns` are those it cannot do without."""

    style: Literal["each", "verl", "batch"]
    names: frozenset[str]
    columns: tuple[str, ...] = ()
    takes_any: bool = False


def read_signature(function: Callable[..., Any]) -> Signature:
    """Raises UnknownSignature."""
    if inspect.iscoroutinefunction(function):
        raise UnknownSignature("is asynchronous; write it with `def` instead of `async def`")
    parameters = list(inspect.signature(function).parameters.values())
    if any(one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL) for one in parameters):
        raise UnknownSignature(f"has arguments that cannot be passed by name; {WANTED}")
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    named = [one for one in parameters if one.kind is not one.VAR_KEYWORD]
    names = frozenset(one.name for one in named)
    required = [one.name for one in named if one.default is one.empty]
    if "completions" in names:
        return Signature("batch", names, batch_columns(required), takes_any)
    if "solution_str" in names and not set(required) - set(VERL_KNOWS):
        return Signature("verl", names, takes_any=takes_any)
    unknown = [name for name in required if name not in EACH_KNOWS]
    if "completion" not in names or unknown:
        raise UnknownSignature(
            f"takes ({', '.join(one.name for one in parameters)}), which is no known form; {WANTED}"
        )
    return Signature("each", names)


def batch_columns(required: Sequence[str]) -> tuple[str, ...]:
    """The columns that a batch function must have. Raises UnknownSignature where it wants what only TRL has."""
    wanted = [name for name in required if name not in BATCH_KNOWS]
    beyond = [name for name in wanted if name in NOT_PASSED]
    if beyond:
        raise UnknownSignature(f"asks for `{beyond[0]}`, which only TRL's trainer has; give it a default")
    return tuple(OTHER_NAMES.get(name, (name,))[-1] for name in wanted)


def each_arguments(signature: Signature, sample: Mapping[str, Any]) -> dict[str, Any]:
    """What a function of one completion asks for, by name."""
    if signature.style == "verl":
        return {name: value for name, value in verl_facts(sample).items() if name in signature.names}
    return {name: sample[name] for name in EACH_KNOWS if name in signature.names}


def verl_facts(sample: Mapping[str, Any]) -> dict[str, Any]:
    """The row as verl hands it to `compute_score`; rows of other kinds have their `answer` as the ground truth."""
    row: Mapping[str, Any] = sample["row"]
    model = row.get("reward_model")
    truth = model.get("ground_truth") if isinstance(model, Mapping) else row.get("reward_model.ground_truth")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return {
        "data_source": row.get("data_source", ""),
        "solution_str": text_of(sample["completion"]),
        "ground_truth": row.get("answer") if truth is None else truth,
        "extra_info": row.get("extra_info") or {},
    }


def text_of(completion: Any) -> str:
    """A completion as text, where it is passed as messages too."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def batch_arguments(signature: Signature, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Prompts, completions and the columns the function asks for; a row without a column gives None there."""
    rows: list[Mapping[str, Any]] = [sample["row"] for sample in samples]
    columns = dict.fromkeys(name for row in rows for name in row)
    arguments: dict[str, Any] = {
        "prompts": [sample["prompt"] for sample in samples],
        "completions": [sample["completion"] for sample in samples],
    }
    for name in columns if signature.takes_any else ():
        arguments.setdefault(name, [row.get(name) for row in rows])
    for name in signature.names:
        column = next((one for one in OTHER_NAMES.get(name, (name,)) if one in columns), None)
        if column is not None:
            arguments.setdefault(name, [row.get(column) for row in rows])
    wanted = {name for name in arguments if signature.takes_any or name in signature.names}
    return {name: value for name, value in arguments.items() if name in wanted}
