"""Child: loads a user's Python file once and calls one of its functions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from droid_tune.rewards.workers.protocol import Message, serve
from droid_tune.rewards.workers.signature import (
    Signature,
    UnknownSignature,
    batch_arguments,
    each_arguments,
    read_signature,
)
from droid_tune.rewards.workers.user_code import (
    Function,
    Refused,
    described,
    execute,
    is_finite,
    line_of,
    load_dice,
    place_of,
    shown,
)

_MODULE_NAME = "user_rewards"


class Loaded:
    """The file of this process, once it is loaded."""

    path = ""
    function: Function | None = None
    signature = Signature("each", frozenset())


def handle(request: Message) -> Message:
    """Every mistake in the user's code becomes `{"error", "place"}`; this process goes on."""
    try:
        if "source" in request:
            return load(request)
        if "sample" in request:
            return call_each(request["sample"])
        return {"values": call_batch(request["samples"])}
    except Refused as error:
        return {"error": str(error), "place": f"{Loaded.path}:{error.line}" if error.line else Loaded.path}
    except BaseException as error:
        return {"error": described(error), "place": place_of(error, Loaded.path)}
    finally:
        sys.stdout.flush()


def load(request: Message) -> Message:
    """Runs the file and chooses its function. Raises Refused with the line where it cannot be used."""
    Loaded.path = request["path"]
    load_dice(request["source"])
    sys.path.append(str(Path(Loaded.path).parent))  # modules beside the file, but never before the library
    module = execute(request["source"], Loaded.path, _MODULE_NAME)
    Loaded.function = chosen(module, request["function"])
    Loaded.signature = signature_of(Loaded.function)
    return {
        "function": name_of(Loaded.function),
        "line": line_of(Loaded.function),
        "style": Loaded.signature.style,
        "columns": Loaded.signature.columns,
    }


def chosen(module: ModuleType, name: str) -> Function:
    """The function asked for, or the only one that has a known form."""
    functions = {
        key: value
        for key, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", "") == _MODULE_NAME
        and not isinstance(value, type)
    }
    if name:
        if name not in functions:
            raise Refused(f"has no function `{name}`; it has {', '.join(functions) or 'none'}")
        return functions[name]
    public = {key: value for key, value in functions.items() if not key.startswith("_")}
    known = (
        {key: value for key, value in public.items() if has_known_form(value)} if len(public) > 1 else public
    )
    if len(known) == 1:
        return next(iter(known.values()))
    if not public:
        raise Refused("has no public function; write `def reward(completion, row)`")
    raise Refused(f"has several functions ({', '.join(known or public)}); say which one in `function`")


def has_known_form(function: Function) -> bool:
    """Whether its parameters are those of a reward."""
    try:
        read_signature(function)
    except UnknownSignature:
        return False
    return True


def name_of(function: Function) -> str:
    """A function's name; of an object that can be called its class's."""
    return getattr(function, "__name__", type(function).__name__)


def signature_of(function: Function) -> Signature:
    """How to call it. Raises Refused for parameters that nothing fills."""
    try:
        return read_signature(function)
    except UnknownSignature as error:
        raise Refused(f"the function `{name_of(function)}` {error}", line_of(function)) from None


def call_each(sample: Message) -> Message:
    """`{"value"}`, with `{"parts"}` where a function in verl's form gave a dictionary around its `score`."""
    assert Loaded.function is not None
    value = Loaded.function(**each_arguments(Loaded.signature, sample))
    if Loaded.signature.style != "verl" or not isinstance(value, Mapping):
        return {"value": as_number(value)}
    facts = dict(cast("Mapping[str, Any]", value))
    if "score" not in facts:
        raise Refused(f"gave {shown(facts)} without a `score`", line_of(Loaded.function))
    score = as_number(facts.pop("score"))
    return {"value": score, "parts": {name: float(one) for name, one in facts.items() if is_part(one)}}


def is_part(value: Any) -> bool:
    """A finite number or a truth beside the score; texts and the like are for the user's own log."""
    return isinstance(value, Real) and is_finite(value)


def call_batch(samples: Sequence[Message]) -> list[float | None]:
    """A number or None for each completion. Raises Refused for anything but a list of that length."""
    assert Loaded.function is not None
    values = Loaded.function(**batch_arguments(Loaded.signature, samples))
    if isinstance(values, (str, bytes, Mapping, Set)) or not hasattr(values, "__len__"):
        raise Refused(
            f"gave {shown(values)}, not a list with a number for each completion", line_of(Loaded.function)
        )
    if len(values) != len(samples):
        raise Refused(f"gave {len(values)} values for {len(samples)} completions", line_of(Loaded.function))
    return [as_number(value) for value in values]


def as_number(value: Any) -> float | None:
    """None, a number, or a NumPy or torch scalar. Raises Refused."""
    if not isinstance(value, Real) and hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if value is None:
        return None
    if not isinstance(value, Real):
        raise Refused(f"gave {shown(value)}, not a number or None", line_of(Loaded.function or shown))
    if not is_finite(value):
        said = f"{value}" if isinstance(value, float) else shown(value)
        raise Refused(f"gave {said}, which is not a finite number", line_of(Loaded.function or shown))
    return float(value)


if __name__ == "__main__":
    serve(handle)
