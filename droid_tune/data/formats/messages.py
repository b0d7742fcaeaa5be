"""Conversations: OpenAI's `role`/`content` turns and ShareGPT's `from`/`value`, checked and brought into one shape."""

from __future__ import annotations

from typing import Any

from droid_tune.data.issues import RowFault
from droid_tune.data.reading.strict_json import dotted

Message = dict[str, Any]

ROLES = ("system", "developer", "user", "assistant", "tool")
#: What ShareGPT files call the speakers.
SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "developer": "developer",
}


def role_of(turn: Message) -> str | None:
    """A turn's role in our words, None when it has none that we know."""
    if "role" in turn:
        role = turn["role"]
        return role if isinstance(role, str) and role in ROLES else None
    role = turn.get("from")
    return SHAREGPT_ROLES.get(role) if isinstance(role, str) else None


def check_messages(name: str, value: Any) -> None:
    """Raise `RowFault` unless `value` is a non-empty list of turns with a known role and some content."""
    if not isinstance(value, list):
        raise _fault("wrong_type", f"`{name}` must be a list of messages; write [{{...}}, {{...}}].", (name,))
    if not value:
        raise _fault(
            "empty_required_field", f"`{name}` holds no message; add the turns or remove the row.", (name,)
        )
    for number, turn in enumerate(value):
        _check_turn(name, number, turn)


def _check_turn(name: str, number: int, turn: Any) -> None:
    place = (name, number)
    said = f"`{name}[{number}]`"
    if not isinstance(turn, dict):
        raise _fault("wrong_type", f'{said} must be an object with "role" and "content".', place)
    role_key, content_key = (
        ("from", "value") if "from" in turn and "role" not in turn else ("role", "content")
    )
    _check_role(place, said, turn, role_key)
    if content_key not in turn:
        if turn.get("tool_calls"):
            return
        raise _fault(
            "missing_required_field",
            f"{said} has no `{content_key}`; add the text of the turn.",
            (*place, content_key),
            column_at=place,
        )
    _check_content((*place, content_key), turn)


def _check_role(place: tuple[str, int], said: str, turn: Message, key: str) -> None:
    if key not in turn:
        raise _fault(
            "missing_required_field",
            f"{said} has no `{key}`; say who speaks.",
            (*place, key),
            column_at=place,
        )
    role = turn[key]
    if not isinstance(role, str):
        raise _fault("wrong_type", f"The `{key}` of {said} must be text.", (*place, key))
    if role_of(turn) is None:
        known = ROLES if key == "role" else ("system", "human", "gpt", "tool")
        shown = role if len(role) <= 40 else f"{role[:37]}..."
        raise _fault(
            "invalid_role",
            f"The role {shown!r} of {said} is unknown; use one of {', '.join(known)}.",
            (*place, key),
        )


def _check_content(path: tuple[str, int, str], turn: Message) -> None:
    content = turn[path[2]]
    said = f"`{path[0]}[{path[1]}].{path[2]}`"
    calls_tool = bool(turn.get("tool_calls"))
    if content is None and calls_tool:
        return
    if isinstance(content, list) and content and all(_is_text_part(part) for part in content):
        content = text_of(content)
    if not isinstance(content, str):
        raise _fault("wrong_type", f"{said} must be text; only text can be trained on.", path)
    # An empty system text says "no instruction" and an empty tool result is a result; an empty turn teaches nothing.
    if not content.strip() and not calls_tool and role_of(turn) in ("user", "assistant"):
        raise _fault("empty_required_field", f"{said} is blank; fill it in or remove the turn.", path)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def text_of(content: Any) -> str:
    """The text of a turn's content: text itself, a list of text parts, or nothing."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content or ""


def plain_messages(value: list[Message]) -> list[Message]:
    """Checked turns as `{"role", "content", ...}` with text contents; other keys (tool_calls, name) are kept."""
    return [_plain(turn) for turn in value]


def _plain(turn: Message) -> Message:
    rest = {key: item for key, item in turn.items() if key not in ("role", "from", "content", "value")}
    content = turn.get("content") if "role" in turn else turn.get("value")
    return {"role": role_of(turn), "content": text_of(content), **rest}


def split_last_answer(messages: list[Message]) -> tuple[list[Message], str | None]:
    """`(the turns before the last assistant turn, its text)`; all turns and None when the assistant never speaks."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place]["role"] == "assistant":
            return messages[:place], str(messages[place]["content"])
    return messages, None


def _fault(
    reason: Any,
    message: str,
    path: tuple[str | int, ...],
    *,
    column_at: tuple[str | int, ...] | None = None,
) -> RowFault:
    return RowFault(reason, message, field=dotted(path), path=column_at or path)
