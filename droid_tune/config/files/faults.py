"""What pydantic found wrong with one setting, in the words of this application (floor 0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from droid_tune import words

#: pydantic's kind of error -> our words; `{name}` stands for what pydantic tells in `ctx`.
SENTENCES = {
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "missing": "must be given",
    "literal_error": "must be {expected}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must hold settings (`name: value`)",
    "model_type": "must hold settings (`name: value`)",
    "model_attributes_type": "must hold settings (`name: value`)",
    "union_tag_not_found": "`type` is missing",
}


def in_words(fault: Mapping[str, Any]) -> str:
    """One entry of `ValidationError.errors()` as a clause; pydantic's own words where we have none."""
    context: dict[str, Any] = {key: plain_number(value) for key, value in fault.get("ctx", {}).items()}
    if fault["type"] == "union_tag_invalid":
        known = str(context["expected_tags"]).replace("'", "")
        return f"there is no `{context['tag']}`; choose one of {known}"
    sentence = SENTENCES.get(fault["type"])
    if sentence is None:
        return str(fault["msg"]).removeprefix("Value error, ")
    return sentence.format(**context)


def as_sentence(fault: Mapping[str, Any]) -> str:
    """The same where it stands alone, below a field: `Must be 1 or more.`"""
    return words.sentence(words.capitalised(in_words(fault)))


def plain_number(value: Any) -> Any:
    """5.0 as 5, for people."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
