"""Child: loads a user's Python file once and calls one of its functions."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import linecache
import math
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from droid_tune.rewards.workers.protocol import Message, serve, throw_dice
from droid_tune.rewards.workers.signature import (
    Signature,
    UnknownSignature,
    batch_arguments,
    each_arguments,
    read_signature,
)

Function = Callable[..., Any]

_REFUSED = (errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.EADDRNOTAVAIL)
_MODULE_NAME = "user_rewards"


class Refused(Exception):  # noqa: N818 - it says what happened
    """The file or what its function gave is not usable; the message is a clause for the user."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


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
        return {"error": described(error), "place": place_of(error)}
    finally:
        sys.stdout.flush()


def load(request: Message) -> Message:
    """Runs the file and chooses its function. Raises Refused with the line where it cannot be used."""
    Loaded.path = request["path"]
    load_dice(request["source"])
    sys.path.append(str(Path(Loaded.path).parent))  # modules beside the file, but never before the library
    module = execute(request["source"], Loaded.path)
    Loaded.function = chosen(module, request["function"])
    Loaded.signature = signature_of(Loaded.function)
    return {
        "function": Loaded.function.__name__,
        "line": line_of(Loaded.function),
        "style": Loaded.signature.style,
        "columns": Loaded.signature.columns,
    }


def load_dice(source: str) -> None:
    """Libraries with dice of their own are loaded before the file's function may load them, so that they are thrown."""
    for name in ("numpy", "torch"):
        if name in source and importlib.util.find_spec(name):
            importlib.import_module(name)
            throw_dice(0)


def execute(source: str, path: str) -> ModuleType:
    """The file as a module. Only here is code of the user's run that was not asked to score anything."""
    module = ModuleType(_MODULE_NAME)
    module.__file__ = path
    sys.modules[_MODULE_NAME] = module
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    offer_register()
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - what this process is for
    return module


def offer_register() -> None:
    """Files written for mlx-lm-lora import its decorator; here it only hands the function back."""
    registry = ModuleType("mlx_lm_lora.trainer.grpo_reward_functions")

    def register_reward_function(*_: Any, **__: Any) -> Callable[[Function], Function]:
        return lambda function: function

    registry.register_reward_function = register_reward_function  # type: ignore[attr-defined]
    for name in ("mlx_lm_lora", "mlx_lm_lora.trainer"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules.setdefault(registry.__name__, registry)


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


def signature_of(function: Function) -> Signature:
    """How to call it. Raises Refused for parameters that nothing fills."""
    try:
        return read_signature(function)
    except UnknownSignature as error:
        raise Refused(f"the function `{function.__name__}` {error}", line_of(function)) from None


def line_of(function: Function) -> int:
    """The line of its `def`, from 1; 0 where it has no source."""
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code else 0


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
    return isinstance(value, Real) and math.isfinite(value)


def call_batch(samples: Sequence[Message]) -> list[float | None]:
    """A number or None for each completion. Raises Refused for anything but a list of that length."""
    assert Loaded.function is not None
    values = Loaded.function(**batch_arguments(Loaded.signature, samples))
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__len__"):
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
    if not math.isfinite(value):
        raise Refused(f"gave {float(value)}, which is not a finite number", line_of(Loaded.function or shown))
    return float(value)


def shown(value: Any) -> str:
    """A value and its type, cut to 60 characters."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def described(error: BaseException) -> str:
    """An exception in a sentence, with a hint where the cause is known."""
    if isinstance(error, SystemExit):
        return f"it called exit({error.code!r})"
    message = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, TypeError) and "string indices must be integers" in message:
        message += "; if it reads completion[0]['content'], switch on `chat_messages`"
    return message + hint_of_the_sandbox(error)


def hint_of_the_sandbox(error: BaseException) -> str:
    """What would allow what the system refused."""
    if not isinstance(error, OSError) or error.errno not in _REFUSED:
        return ""
    if error.filename is None:
        return "; it runs shut in: switch `network` on if it needs that"
    return "; it runs shut in: it writes to its own scratch folder alone, and reads what `readable` names"


def place_of(error: BaseException) -> str:
    """`file:line` of the last line of the user's own that was running."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == Loaded.path
    ]
    return f"{Loaded.path}:{lines[-1]}" if lines else Loaded.path


if __name__ == "__main__":
    serve(handle)
