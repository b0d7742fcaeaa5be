"""`{"prompt", "system"?}`: questions alone, for rewards that need no reference answer."""

from droid_tune.data.formats.base import COMMON, Field, Row, RowFormat
from droid_tune.data.formats.prompt_completion import prompt_of


def _normalise(fields: Row) -> Row:
    return {**fields, "prompt": prompt_of(fields["prompt"]), "answer": None}


PROMPTS = RowFormat(
    name="prompts",
    title="Prompts only",
    fields=(Field("prompt", "text_or_messages"), *COMMON),
    needs=frozenset({"prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Write a haiku about snow."},
)
