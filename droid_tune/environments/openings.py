"""The turns with which an episode begins: the row's prompt, what the environment adds, and tools told in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from droid_tune.data.formats.parts.tool_calls import arguments_of
from droid_tune.data.rendering.turns import SYSTEM_ROLES, asked_turns
from droid_tune.environments.calls.base import CallFormat
from droid_tune.environments.episode import EpisodeError, Message, Role, ToolCall, Turn
from droid_tune.errors import UserError

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def prompt_turns(row: Mapping[str, Any], system_prompt: str) -> list[Turn]:
    """The turns of a row up to where the model speaks. Raises EpisodeError where it has no prompt."""
    if "prompt" not in row:
        raise EpisodeError("has no `prompt` in its row")
    return [turn_of(one) for one in asked_turns(dict(row), system_prompt)]


def turn_of(message: Message) -> Turn:
    """A chat message as a turn; roles that only some templates know are the nearest of ours."""
    role = "system" if message.get("role") in SYSTEM_ROLES else message.get("role")
    calls = [_call(one) for one in message.get("tool_calls") or ()]
    return Turn(
        _ROLES.get(str(role), "user"),
        str(message.get("content") or ""),
        tuple(calls),
        name=message.get("name"),
        thinking=str(message.get("reasoning_content") or ""),
    )


def _call(message: Message) -> ToolCall:
    function: Mapping[str, Any] = message.get("function") or message
    arguments = arguments_of(function.get("arguments"))
    return ToolCall(str(function.get("name", "")), arguments if isinstance(arguments, dict) else {})


def with_observation(turns: Sequence[Turn], observation: str | None) -> list[Turn]:
    """What an environment shows at its start stands at the end of the last turn of the user's, as TRL puts it."""
    if not observation:
        return list(turns)
    if not turns or turns[-1].role != "user":
        return [*turns, Turn("user", observation)]
    return [*turns[:-1], Turn("user", turns[-1].content + observation)]


def tools_in_words(tools: Sequence[Message], form: CallFormat) -> str:
    """For a model whose template shows no tools: each as a line of JSON, and how a call is written."""
    lines = [json.dumps(one["function"], ensure_ascii=False) for one in tools]
    return "\n".join(("You may call these tools:", *lines, "Write a call so:", form.form))


def with_system(turns: Sequence[Turn], words: str) -> list[Turn]:
    """`words` at the end of the system turn, or as one."""
    if turns and turns[0].role == "system":
        return [Turn("system", f"{turns[0].content}\n\n{words}"), *turns[1:]]
    return [Turn("system", words), *turns]


def refuse_without(needs: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises UserError where the environment needs a column that no row has."""
    if not needs:
        return
    seen = {column for row in rows for column, value in row.items() if value is not None}
    missing = next((one for one in needs if one not in seen), None)
    if missing is not None:
        raise UserError(
            f"The environment needs the column `{missing}`, which no row has",
            place="environment",
            remedy=f"map a column to `{missing}` under Data, or choose other data "
            f"(the rows have {', '.join(sorted(seen)) or 'no columns'})",
        )
