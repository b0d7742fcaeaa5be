"""`{"prompt", "completion"}`: text or messages on both sides, as TRL and OpenAI's older files have them."""

from typing import Any

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.parts.messages import plain_messages, turns_as_text
from droid_tune.data.formats.parts.repeated_prompt import apart, turns_in


def answer_of(value: Any) -> str | None:
    """The assistant's last text in a side; None where it says none."""
    said = [turn["content"] for turn in turns_in(value) if turn["role"] == "assistant"]
    return (said[-1] or None) if said else None


def prompt_of(value: Any) -> Any:
    """A prompt that is text as it is, one of turns with these made plain; tables write turns as their JSON."""
    turns = turns_as_text(value) if isinstance(value, str) else value
    return plain_messages(turns) if isinstance(turns, list) else value


def _normalise(fields: Row) -> Row:
    prompt, (completion,) = apart(fields["prompt"], [fields["completion"]])
    row: Row = {
        "prompt": prompt_of(prompt),
        "system": fields.get("system"),
        "answer": fields.get("answer", answer_of(completion)),
    }
    return row if isinstance(completion, str) else {**row, "completion": turns_in(completion)}


PROMPT_COMPLETION = RowFormat(
    name="prompt_completion",
    title="Prompt and completion",
    fields=(Field("prompt", "text_or_messages"), Field("completion", "turn_or_messages"), REFERENCE, *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "The capital of France is", "completion": " Paris."},
)
