"""What counts as an answer of a row: a text, several right ones in a list, or an annotation tool's object around them."""

from __future__ import annotations

import json
from typing import Any, cast

#: Keys of the objects in which Label Studio and SQuAD put answers, Search-R1 and TriviaQA all that are right:
#: `{"text": ["4"]}`, `{"choices": ["yes"]}`, `{"target": ["4", "four"]}`, `{"value": "4", "aliases": ["four"]}`.
WRAPPERS = ("text", "choices", "target", "aliases")

Answer = str | list[str]


def right_answers(value: Any) -> list[str] | None:
    """Every answer that a value holds, each once and in order; None where it is no answer at all.

    Texts and numbers stand for themselves, lists for each of their items; blank texts are not answers.
    """
    if isinstance(value, dict):
        value = _unwrapped(cast("dict[str, Any]", value))
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not items or not all(_is_answer(item) for item in items):
        return None
    return list(dict.fromkeys(str(item) for item in items))


def _unwrapped(value: dict[str, Any]) -> Any:
    found = next((value[key] for key in WRAPPERS if key in value), None)
    if "target" in value and not isinstance(found, list):
        return None  # Countdown's number, which is no answer
    first = value.get("value") if "aliases" in value and isinstance(found, list) else None
    return [first, *cast("list[Any]", found)] if first is not None else found


def _is_answer(item: Any) -> bool:
    if isinstance(item, bool):
        return False
    return isinstance(item, int | float) or (isinstance(item, str) and bool(item.strip()))


def may_be_answer(value: Any) -> bool:
    """Whether a value is one that a completion may give: neither tests nor constraints in an object or its JSON."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return not isinstance(json.loads(value), dict)
        except ValueError:
            return True
    return right_answers(value) is not None


def answer_in(value: Any) -> Answer | None:
    """A checked value as rewards read it: one text, or a list where several are right."""
    found = right_answers(value)
    if found is None:
        return None
    return found[0] if len(found) == 1 else found


def answers_in_cell(cell: str) -> Any:
    """A table's cell: the answers that its JSON lists, as annotation tools write them, else the text itself."""
    if not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        value = json.loads(cell)
    except ValueError:
        return cell
    wrapped = isinstance(value, dict) and any(key in value for key in WRAPPERS)
    texts = isinstance(value, list) and all(isinstance(one, str) for one in cast("list[Any]", value))
    return value if (wrapped or texts) and right_answers(value) else cell


def answer_text(answer: object) -> str | None:
    """An answer for people: several right ones are joined by "or"."""
    if isinstance(answer, list):
        return " or ".join(str(one) for one in cast("list[object]", answer))
    return None if answer is None else str(answer)
