"""`{"prompt", "system"?, "answer"?}`: questions, most without a reference answer, for rewards that need none."""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.prompt_completion import prompt_of


def _normalise(fields: Row) -> Row:
    return {"answer": None, **fields, "prompt": prompt_of(fields["prompt"])}


PROMPTS = RowFormat(
    name="prompts",
    title="Prompts only",
    fields=(Field("prompt", "text_or_messages"), REFERENCE, *COMMON),
    needs=frozenset({"prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Write a haiku about snow."},
)
