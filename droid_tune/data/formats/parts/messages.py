"""Conversations: OpenAI's `role`/`content` turns and ShareGPT's `from`/`value`, checked and brought into one shape."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from droid_tune.data.formats.parts import channels
from droid_tune.data.formats.parts.tool_calls import is_named, parsed_calls
from droid_tune.data.issues import RowFault
from droid_tune.data.reading.strict_json import dotted

Message = dict[str, Any]

ROLES = ("system", "developer", "user", "assistant", "tool")
#: OpenAI's first name for tools, and the speakers of ShareGPT where they stand under `role`.
_OTHER_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "function": "tool",
    "function_call": "assistant",
    "observation": "tool",
    "tool_call": "assistant",
    "tool_response": "tool",
    "model": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "ai": "assistant",
}
#: what ShareGPT and ms-swift call a turn whose text is a call
_CALLS = ("function_call", "tool_call")
#: Keys by which a turn says whether it is learnt; they become one `weight`.
_FLAGS = ("train", "training", "trainable", "train_turn", "loss", "loss_scale")
#: how tables and texts write that something is not so
_NOT = frozenset(("false", "no", "0", "0.0"))
#: The keys of a turn that something reads; others are told.
READ_KEYS = frozenset(
    (
        *("role", "from", "content", "value", "name", "weight", *_FLAGS),
        *("tool_calls", "tool_call_id", "function_call"),
        *("reasoning_content", "reasoning", "thinking", *channels.KEYS),
    )
)
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
    "tool_call": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "developer": "developer",
}


#: how Anthropic's first preference files write a conversation into one text
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ ]?")


def spoken_turns(text: str) -> list[Message]:
    """The turns of a text that names its speakers, from its first words on; [] where it names none."""
    if not re.match(r"\s*(Human|Assistant):", text):
        return []
    _, *parts = _SPEAKER.split("\n\n" + text.lstrip())
    roles = ["user" if name == "Human" else "assistant" for name in parts[::2]]
    return [{"role": role, "content": said.strip()} for role, said in zip(roles, parts[1::2], strict=True)]


def turns_as_text(text: str) -> list[Message] | None:
    """The turns of which a text is the JSON; None for every other text."""
    if not text.lstrip().startswith("["):
        return None
    try:
        turns = json.loads(text)
        check_messages("prompt", turns)
    except (ValueError, RecursionError, RowFault):
        return None
    return turns


def as_turns(value: Any) -> Any:
    """A column of turns as it is, or the turns of which it is the JSON text, as tables hold them."""
    return (turns_as_text(value) or value) if isinstance(value, str) else value


def role_of(turn: Message) -> str | None:
    """A turn's role in our words, None when it has none that we know."""
    if "role" in turn:
        role = turn["role"]
        if not isinstance(role, str):
            return None
        return role if role in ROLES else _OTHER_ROLES.get(role)
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
    _check_calls(place, said, turn)
    if turn[role_key] in _CALLS and not _calls_of(turn):
        raise _fault(
            "wrong_type",
            f'`{content_key}` of {said} must be the JSON of a call, {{"name": ..., "arguments": ...}}.',
            (*place, content_key),
            column_at=place,
        )
    if content_key not in turn:
        if _calls_of(turn):
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


def _check_calls(place: tuple[str, int], said: str, turn: Message) -> None:
    calls = turn.get("tool_calls")
    if calls and parsed_calls(calls) is None:
        raise _fault(
            "wrong_type", f"`tool_calls` of {said} must be a list of objects.", (*place, "tool_calls")
        )


def _check_content(path: tuple[str, int, str], turn: Message) -> None:
    content = turn[path[2]]
    said = f"`{path[0]}[{path[1]}].{path[2]}`"
    calls_tool = bool(_calls_of(turn))
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
    """Checked turns as `{"role", "content", ...}` with text contents, ready for a chat template.

    Kept beside them: `name`, `tool_calls` (arguments as objects), `tool_call_id`, thoughts, `weight` (0: context only)
    and whatever else is there; keys that are null are left out. Plain turns come back as they are. A turn that is a call
    belongs to the assistant's turn before it: what was said first, or another call at the same time. A turn in harmony's
    channel of thoughts is what the assistant's turn behind it thought.
    """
    turns: list[Message] = []
    for turn in value:
        plain = _plain(turn)
        if turns and channels.thinks_for(turns[-1], plain):
            turns[-1] = {**plain, "reasoning_content": channels.both_thoughts(turns[-1], plain)}
        elif _is_call(turn) and turns and _takes_call(turns[-1], plain):
            turns[-1] = {**turns[-1], "tool_calls": [*turns[-1].get("tool_calls", ()), *plain["tool_calls"]]}
        else:
            turns.append(plain)
    return turns


def _takes_call(before: Message, call: Message) -> bool:
    """Whether a call is of the turn before it: the assistant's too, and learnt, or not, as the call is."""
    return before["role"] == "assistant" and before.get("weight") == call.get("weight")


_REPLACED = (
    *("role", "from", "content", "value", "tool_calls", "function_call", "weight", *_FLAGS),
    *channels.KEYS,
)


def _plain(turn: Message) -> Message:
    rest = {key: item for key, item in turn.items() if key not in _REPLACED and item is not None}
    calls = _calls_of(turn)
    said = turn.get("content") if "role" in turn else turn.get("value")
    content = "" if _is_call(turn) else text_of(said)
    weight = _weight_of(turn)
    if role_of(turn) == "assistant" and channels.is_thought(turn) and not calls:
        rest, content = {**rest, "reasoning_content": content}, ""
    if role_of(turn) == "tool" and "name" in rest:
        rest["name"] = channels.own_name(rest["name"])
    return {
        "role": role_of(turn),
        "content": content,
        **({"tool_calls": calls} if calls else {}),
        **({} if weight is None else {"weight": weight}),
        **rest,
    }


def _is_call(turn: Message) -> bool:
    """Whether the whole turn is a call of a tool, as ShareGPT, ms-swift and harmony write it."""
    return turn.get("role" if "role" in turn else "from") in _CALLS or channels.is_to_tool(turn)


def _calls_of(turn: Message) -> list[Message]:
    """The calls of a turn, wherever it holds them; [] where there are none."""
    if channels.is_to_tool(turn):
        said = turn.get("content")
        texts = said if isinstance(said, list) else [{"type": "text", "text": said}]
        return channels.called(turn, text_of(texts)) if all(map(_is_text_part, texts)) else []
    if _is_call(turn):
        said = turn.get("content") if "role" in turn else turn.get("value")
        calls = parsed_calls(said) if isinstance(said, str) else None
        return calls if calls is not None and all(map(is_named, calls)) else []
    calls = turn.get("tool_calls") or turn.get("function_call")
    return parsed_calls(calls) or [] if calls else []


def _weight_of(turn: Message) -> float | None:
    """0 where any of the turn's flags, or its weight, says that it is not learnt; None where it says nothing."""
    if any(str(turn.get(flag)).strip().lower() in _NOT for flag in (*_FLAGS, "weight")):
        return 0
    weight = turn.get("weight")
    return cast("float", weight) if isinstance(weight, int | float) else None


def is_learnt(turn: Message) -> bool:
    """Whether a turn is the assistant's and not marked as context."""
    return role_of(turn) == "assistant" and _weight_of(turn) != 0


def split_last_answer(messages: list[Message]) -> tuple[list[Message], Message | None]:
    """`(the turns before the answer, the answer)`; all turns and None where the conversation does not end with one."""
    if messages and messages[-1]["role"] == "assistant":
        return messages[:-1], messages[-1]
    return messages, None


def is_plain_text(turn: Message) -> bool:
    """Whether a turn is its text and nothing else, so that the text alone can stand for it."""
    return set(turn) <= {"role", "content"}


def _fault(
    reason: Any,
    message: str,
    path: tuple[str | int, ...],
    *,
    column_at: tuple[str | int, ...] | None = None,
) -> RowFault:
    return RowFault(reason, message, field=dotted(path), path=column_at or path)
