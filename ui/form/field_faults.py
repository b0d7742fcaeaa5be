"""pydantic's findings as the short sentences that stand under a field."""

from __future__ import annotations

from typing import Any

from droid_tune import words

_PLAIN = {
    "int_parsing": "Give a whole number.",
    "int_type": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_parsing": "Give a number, such as 0.5 or 1e-5.",
    "float_type": "Give a number, such as 0.5 or 1e-5.",
    "finite_number": "Give a finite number.",
    "bool_parsing": "Choose on or off.",
    "missing": "This is needed.",
    "string_type": "Give some text.",
}


def sentence(fault: Any) -> str:
    """One sentence for one of `ValidationError.errors()`."""
    kind = str(fault["type"])
    context = fault.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return f"Must be at least {context['ge']:g}."
        case "greater_than":
            return f"Must be more than {context['gt']:g}."
        case "less_than_equal":
            return f"Must be at most {context['le']:,g}."
        case "less_than":
            return f"Must be less than {context['lt']:g}."
        case "literal_error":
            return f"Choose one of {context['expected']}."
        case _:
            return _PLAIN.get(kind) or _as_sentence(str(fault["msg"]))


def _as_sentence(message: str) -> str:
    said = message.removeprefix("Value error, ")
    said = words.capitalised(said)
    return said if said.endswith((".", "?")) else said + "."
