"""In the child: which functions of a user's file are tools, and why one is none."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from droid_tune.environments.workers.tool_schema import NoTool, Schema, tool_schema
from droid_tune.rewards.workers.user_code import Refused, line_of

Function = Callable[..., Any]


def functions_of(module: ModuleType, names: Sequence[str], own: str) -> Mapping[str, Function]:
    """The functions asked for, or every public one that the file defines. Raises Refused."""
    held = {key: value for key, value in vars(module).items() if inspect.isfunction(value)}
    if not names:
        public = {
            key: value
            for key, value in held.items()
            if value.__module__ == own and not key.startswith("_") and value.__name__ == key
        }
        if not public:
            raise Refused("has no public function that could be a tool")
        return public
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"offers two tools called `{name}`; name it once in `functions`")
        if name not in held:
            raise Refused(f"has no function `{name}`; it has {', '.join(held) or 'none'}")
    chosen = {held[name].__name__: held[name] for name in names}
    if len(chosen) < len(names):
        double = next(one for one in names if held[one].__name__ != one)
        raise Refused(f"offers two tools called `{held[double].__name__}`: `{double}` is another name of it")
    return chosen


def schema_for(function: Function) -> Schema:
    """The description that the model is shown. Raises Refused with the function's line."""
    try:
        return tool_schema(function)
    except NoTool as error:
        raise Refused(f"has the tool `{function.__name__}`, which {error}", line_of(function)) from None


def refuse_doubles(source: str, path: str, name: str, kind: str) -> None:
    """Python keeps the last of two functions of one name without a word. Raises Refused with the second's line."""
    tree = ast.parse(source, path)
    classes = [one for one in tree.body if isinstance(one, ast.ClassDef) and name in ("", one.name)]
    bodies = [tree.body] if kind == "tools" else [one.body for one in classes]
    for body in bodies:
        seen: dict[str, int] = {}
        for one in body:
            if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) or one.decorator_list:
                continue
            if one.name in seen and not one.name.startswith("_"):
                raise Refused(
                    f"has two tools called `{one.name}` (lines {seen[one.name]} and {one.lineno}); rename one of them",
                    one.lineno,
                )
            seen[one.name] = one.lineno
