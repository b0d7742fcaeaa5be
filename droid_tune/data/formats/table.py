"""The table of row formats, and which method can use which. A new format is one file and one line here."""

from __future__ import annotations

from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.data.formats.base import Need, RowFormat
from droid_tune.data.formats.chat import MESSAGES
from droid_tune.data.formats.conversations import CONVERSATIONS
from droid_tune.data.formats.instruction import INSTRUCTION
from droid_tune.data.formats.label_studio import LABEL_STUDIO
from droid_tune.data.formats.preference import (
    ANSWERED_PREFERENCE,
    CONVERSATION_PREFERENCE,
    INSTRUCTION_PREFERENCE,
    PREFERENCE,
    WHOLE_PREFERENCE,
)
from droid_tune.data.formats.prompt_answer import PROMPT_ANSWER
from droid_tune.data.formats.prompt_completion import PROMPT_COMPLETION
from droid_tune.data.formats.prompts import PROMPTS
from droid_tune.data.formats.query_response import QUERY_RESPONSE
from droid_tune.data.formats.question_answer import QUESTION_ANSWER
from droid_tune.data.formats.text import TEXT
from droid_tune.data.formats.verdict import MESSAGES_VERDICT, VERDICT

#: In the order of preference: a row that fits several is read as the first, the one that uses most of its fields.
FORMATS: tuple[RowFormat, ...] = (
    CONVERSATION_PREFERENCE,
    ANSWERED_PREFERENCE,
    MESSAGES_VERDICT,
    MESSAGES,
    CONVERSATIONS,
    PREFERENCE,
    PROMPT_ANSWER,
    QUESTION_ANSWER,
    VERDICT,
    PROMPT_COMPLETION,
    INSTRUCTION_PREFERENCE,
    INSTRUCTION,
    QUERY_RESPONSE,
    LABEL_STUDIO,
    WHOLE_PREFERENCE,
    TEXT,
    PROMPTS,
)

FORMATS_BY_NAME = {one.name: one for one in FORMATS}

_SAID: dict[Need, str] = {
    "prompt": "prompts to answer",
    "demonstration": "answers to imitate",
    "preference": "pairs of a chosen and a rejected answer",
    "verdict": "answers that are said to be good or bad, or pairs",
}


#: needs of methods that use all of a pair
_WHOLE = frozenset({"preference", "verdict"})


def need_of(method: str) -> Need:
    """What a method asks of a row; one that is not known asks for prompts."""
    config = METHOD_CONFIGS.get(method)
    return "prompt" if config is None else config.need


def label_of(method: str) -> str:
    """A method in sentences; one that is not known is called as it was written."""
    config = METHOD_CONFIGS.get(method)
    return method if config is None else config.label


def methods_for(one: RowFormat) -> list[str]:
    """The methods that use all of rows of a format."""
    methods = [name for name in METHOD_CONFIGS if need_of(name) in one.needs]
    return [name for name in methods if need_of(name) in _WHOLE] if _WHOLE & one.needs else methods


def said_need(need: Need) -> str:
    """A need in words, for sentences."""
    return _SAID[need]


def said_readers(one: RowFormat, need: Need) -> str:
    """What can be done with rows of a format that a method cannot use: the methods that can, and a mapping that helps."""
    methods = [name for name in METHOD_CONFIGS if need_of(name) in one.needs]
    own = methods_for(one)
    said = (
        f"such rows are for {', '.join(map(label_of, own))}"
        if methods
        else "no method of ours reads such rows"
    )
    if len(own) < len(methods):
        said += ", and with their prompts alone for GRPO and whatever else answers prompts"
    if one is PREFERENCE and need == "demonstration":
        said += "; to learn the better answers alone, add --map completion=chosen"
    elif "text" in {field.name for field in one.required}:
        said += "; or map columns to `prompt` and `answer`"
    return said


def usable_formats(need: Need | None) -> tuple[RowFormat, ...]:
    """The formats that serve a need (all of them when no method is chosen yet), the likeliest first."""
    if need is None:
        return FORMATS
    fitting = [one for one in FORMATS if need in one.needs]
    return tuple(sorted(fitting, key=lambda one: _lateness(one, need)))


def _lateness(one: RowFormat, need: Need) -> tuple[bool, bool, bool]:
    """A plain answer goes before a pair of them, any answer before a prompt alone, what is imitated before what is checked."""
    pairs = "preference" in one.needs and one is not CONVERSATION_PREFERENCE  # its turns alone have no answer
    pairs_late = need not in ("preference", "verdict") and pairs
    return one is PROMPTS, pairs_late, need == "demonstration" and one is PROMPT_ANSWER
