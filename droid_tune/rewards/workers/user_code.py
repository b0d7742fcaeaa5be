"""In a child: a user's Python file as a module, and his mistakes in a sentence with their line."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import linecache
import math
import sys
import traceback
from collections.abc import Callable
from numbers import Real
from types import ModuleType
from typing import Any

from droid_tune.rewards.workers.protocol import throw_dice

Function = Callable[..., Any]

_REFUSED = (errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


class Refused(Exception):  # noqa: N818 - it says what happened
    """The file or what its function gave is not usable; the message is a clause for the user."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def load_dice(source: str) -> None:
    """Libraries with dice of their own are loaded before the file's function may load them, so that they are thrown."""
    for name in ("numpy", "torch"):
        if name in source and importlib.util.find_spec(name):
            importlib.import_module(name)
            throw_dice(0)


def execute(source: str, path: str, name: str) -> ModuleType:
    """The file as a module of that name. Only here is code of the user's run that was not asked for anything."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
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


def line_of(function: Function) -> int:
    """The line of its `def`, from 1; 0 where it has no source."""
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code else 0


def is_finite(value: Real) -> bool:
    """Whether a floating-point number can hold it: no NaN, no infinity, no integer above all of them."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: Any) -> str:
    """A value and its type, cut to 60 characters."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, an object of the user's
        text = "what cannot be shown"
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


def place_of(error: BaseException, path: str) -> str:
    """`file:line` of the last line of the user's own that was running."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{path}:{lines[-1]}" if lines else path
