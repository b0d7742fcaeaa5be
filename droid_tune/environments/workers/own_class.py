"""In the child: a class as TRL's `environment_factory` takes it (documentation of TRL 1.16).

`reset(**row)` gives a text for the end of the prompt, or None; every other public method is a tool; `get_reward()`, or a
function of the file that takes `environments`, judges the episode.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from droid_tune.rewards.workers.user_code import Refused, line_of, shown

_OURS = ("reset", "get_reward")
_WANTED = "write `def reset(self, **row)` and a method for each tool"


def class_of(module: ModuleType, name: str, own: str) -> tuple[type[Any], Any]:
    """The class asked for, or the only one with a `reset`, and an object of it. Raises Refused."""
    classes = {key: one for key, one in vars(module).items() if isinstance(one, type)}
    if name and name not in classes:
        raise Refused(f"has no class `{name}`; it has {', '.join(classes) or 'none'}")
    mine = {key: one for key, one in classes.items() if one.__module__ == own and key == one.__name__}
    able = {key: one for key, one in mine.items() if callable(getattr(one, "reset", None)) and key[0] != "_"}
    if not name and len(able) != 1:
        told = f"has several environments ({', '.join(able)}); say which one in `name`"
        raise Refused(told if able else f"has no class with a `reset`; {_WANTED}")
    chosen = classes[name] if name else next(iter(able.values()))
    line = _line_of(chosen)
    if not callable(getattr(chosen, "reset", None)):
        raise Refused(
            f"has the class `{chosen.__name__}`, which is no environment: it has no `reset`; {_WANTED}", line
        )
    wanted = _required(chosen.__init__)
    if wanted:
        raise Refused(
            f"has the class `{chosen.__name__}`, whose `__init__` wants `{wanted[0]}`; give it a default",
            line,
        )
    one = chosen()
    if not methods_of(one):
        raise Refused(f"has the class `{chosen.__name__}` without a public method that could be a tool", line)
    return chosen, one


def _line_of(one: type[Any]) -> int | None:
    lines = [line_of(value) for value in vars(one).values() if inspect.isfunction(value)]
    return min(lines) - 1 if lines else None


def _required(method: Any) -> list[str]:
    if not inspect.isfunction(method):
        return []
    named = list(inspect.signature(method).parameters.values())[1:]
    return [
        one.name
        for one in named
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]


def methods_of(one: Any) -> Mapping[str, Callable[..., Any]]:
    """An object's tools: its class' public functions but `reset` and `get_reward`."""
    names = [name for name, _ in inspect.getmembers(type(one), predicate=inspect.isfunction)]
    return {name: getattr(one, name) for name in names if name not in _OURS and not name.startswith("_")}


def needs_of(one: Any) -> list[str]:
    """The columns that `reset` cannot do without."""
    return _required(type(one).reset)


def taken_by(reset: Callable[..., Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row that `reset` takes: all where it has `**kwargs`, none where it has no parameters."""
    named = inspect.signature(reset).parameters
    if any(one.kind is one.VAR_KEYWORD for one in named.values()):
        return dict(row)
    return {name: value for name, value in row.items() if name in named}


@dataclass(frozen=True)
class EpisodeJudge:
    """Where an episode's reward comes from: `method`, `function`, `attribute`, or nowhere (empty)."""

    kind: str = ""
    function: Callable[..., Any] | None = None

    @property
    def named(self) -> str:
        """For messages."""
        if self.function is not None:
            return f"the function `{self.function.__name__}`"
        return "`get_reward`" if self.kind == "method" else "the attribute `reward`"

    def value(self, one: Any, told: Mapping[str, Any]) -> Any:
        """The reward of an object's episode; `told` has its prompt, completion and row."""
        if self.kind == "method":
            return one.get_reward()
        if self.function is not None:
            return _only(self.function(**_arguments(self.function, one, told)), self.named)
        return one.reward if self.kind else None


def judge_of(module: ModuleType, one: Any, name: str, own: str) -> EpisodeJudge:
    """The function asked for, else `get_reward`, the file's function of `environments`, the attribute. Raises Refused."""
    functions = {key: value for key, value in vars(module).items() if inspect.isfunction(value)}
    if name:
        if name not in functions:
            raise Refused(f"has no function `{name}`; it has {', '.join(functions) or 'none'}")
        return EpisodeJudge("function", functions[name])
    if callable(getattr(one, "get_reward", None)):
        return EpisodeJudge("method")
    able = {
        key: value
        for key, value in functions.items()
        if value.__module__ == own and "environments" in inspect.signature(value).parameters
    }
    if len(able) > 1:
        raise Refused(f"has several reward functions ({', '.join(able)}); say which one in `reward`")
    if able:
        return EpisodeJudge("function", next(iter(able.values())))
    return EpisodeJudge("attribute") if hasattr(one, "reward") else EpisodeJudge()


def _arguments(function: Callable[..., Any], one: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a reward function of TRL's is called with, for one episode; columns as lists of one."""
    offered: dict[str, Any] = {key: [value] for key, value in told["row"].items()}
    offered |= {
        "environments": [one],
        "prompts": [told["prompt"]],
        "completions": [told["completion"]],
    }
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return {key: value for key, value in offered.items() if key not in ("prompt", "completion")}
    return {key: value for key, value in offered.items() if key in inspect.signature(function).parameters}


def _only(values: Any, named: str) -> Any:
    """The one reward in a list of one; a coroutine is waited for by whoever asked."""
    if inspect.isawaitable(values):

        async def waited() -> Any:
            return _only(await values, named)

        return waited()
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__len__") or len(values) != 1:
        raise Refused(f"{named} gave {shown(values)}, not a list with a number for each environment")
    return values[0]
