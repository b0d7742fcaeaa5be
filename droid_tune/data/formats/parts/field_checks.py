"""Checks of a field's value by its kind: what it must be, said where it is not."""

from __future__ import annotations

from typing import Any, Literal, cast

from droid_tune.data.formats.parts.annotations import check_annotations
from droid_tune.data.formats.parts.answers import right_answers
from droid_tune.data.formats.parts.earlier_turns import is_history
from droid_tune.data.formats.parts.messages import as_turns, check_messages, spoken_turns
from droid_tune.data.formats.parts.tools import parsed_object, parsed_tools
from droid_tune.data.issues import RowFault

Kind = Literal[
    "text",
    "messages",
    "text_or_messages",
    "turn_or_messages",
    "conversations",
    "answer",
    "history",
    "tools",
    "object",
    "shown",
    "annotations",
    "dialogue",
    "verdict",
]
_WANTED: dict[Kind, str] = {
    "text": "text",
    "text_or_messages": "text or a list of messages",
    "turn_or_messages": "text, a message or a list of messages",
    "answer": "text or a list of right answers",
    "history": "a list of [question, answer] pairs, or the JSON text of one",
    "tools": "a list of tools, or the JSON text of one",
    "object": "an object, or the JSON text of one",
    "shown": "an object that holds a text",
    "dialogue": "a list of messages, or text that names its speakers (Human:, Assistant:)",
    "verdict": "true (a good answer) or false (a bad one)",
}
#: What says that an answer is good or bad; tables hold text, and numbers with a point where a row has none.
_GOOD, _BAD = ("true", "1", "1.0", "good", "yes"), ("false", "0", "0.0", "-1", "-1.0", "bad", "no")
_VERDICTS = {**dict.fromkeys(_GOOD, True), **dict.fromkeys(_BAD, False)}

#: What may be written as JSON text: an example of each.
_AS_JSON: dict[Kind, str] = {
    "history": '[["2+2?", "4"]]',
    "tools": '[{"type": "function", "function": {"name": ...}}]',
    "object": '{"name": value}',
}


def check_value(
    name: str, value: Any, kind: Kind, *, required: bool = True, path: tuple[str, ...] | None = None
) -> None:
    """Raise `RowFault` unless `value` is what the field asks for; `path` is where it stands in the row's JSON."""
    place = path or (name,)
    if value is None and not required:
        return
    if kind == "annotations":
        check_annotations(name, value)
    elif holds_turns(value, kind):
        check_messages(name, [value] if isinstance(value, dict) else as_turns(value))
    elif not _is(value, kind, exact=required and name == "answer"):
        message = (
            f"`{name}` must be {said_wanted(kind)}, but it is {said_type(value)}; {_remedy(value, kind)}."
        )
        raise RowFault("wrong_type", message, field=name, path=place)
    elif required and isinstance(value, str) and not value.strip():
        raise RowFault(
            "empty_required_field",
            f"`{name}` is blank; fill it in or remove the row.",
            field=name,
            path=place,
        )


def holds_turns(value: Any, kind: Kind) -> bool:
    """Whether a value is to be checked as turns of a conversation."""
    if kind in ("messages", "conversations"):
        return True
    if kind == "turn_or_messages" and isinstance(value, dict):
        return True
    some = kind in ("text_or_messages", "turn_or_messages", "dialogue") and isinstance(value, list)
    return some and bool(value) and all(isinstance(turn, dict) for turn in value)


def _is(value: Any, kind: Kind, *, exact: bool) -> bool:
    """`exact`: a bare fraction is no answer, since `2.5` and `2.50` are different texts and the same number; whole numbers
    have one text."""
    match kind:
        case "history":
            return is_history(value)
        case "tools":
            return parsed_tools(value) is not None
        case "object":
            return parsed_object(value) is not None
        case "verdict":
            return verdict_in(value) is not None
        case "dialogue":
            return isinstance(value, str) and bool(spoken_turns(value))
        case "shown":
            texts = cast("dict[str, Any]", value).values() if isinstance(value, dict) else ()
            return any(isinstance(one, str) and one.strip() for one in texts)
        case "answer" if not isinstance(value, str):
            return right_answers(value) is not None and not (exact and isinstance(value, float))
        case _:
            return isinstance(value, str)


def may_hold(value: Any, kind: Kind) -> bool:
    """Whether a column may be this field at all: `label` and `chosen` are other things in other tables."""
    if kind == "verdict":
        return verdict_in(value) is not None
    return kind != "dialogue" or not isinstance(value, str) or bool(spoken_turns(value))


def verdict_in(value: Any) -> bool | None:
    """Whether a label says that an answer is good; None where it says neither."""
    return _VERDICTS.get(str(value).strip().lower()) if isinstance(value, bool | int | float | str) else None


def said_wanted(kind: Kind) -> str:
    """What a field of a kind must be, in words."""
    return _WANTED.get(kind, "text")


def said_type(value: Any) -> str:
    """A JSON value's type and, when short, the value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        said = str(value)
        return f"the number {said}" if len(said) <= 40 else "a long number"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bytes):
        return "bytes that are no text"
    return "an object" if isinstance(value, dict) else "text"


def _remedy(value: Any, kind: Kind) -> str:
    if kind == "verdict":
        return "write true or false"
    if kind in _AS_JSON and value is not None:
        return f"write {_AS_JSON[kind]}"
    if isinstance(value, bool | int | float):
        return "put it in quotes"
    return "fill it in or remove the row" if value is None else "write it as text"
