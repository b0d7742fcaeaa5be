"""`{"prompt", "system"?}`: questions alone, for rewards that need no reference answer."""

from droid_tune.data.formats.base import Field, Row, RowFormat


def _normalise(fields: Row) -> Row:
    return {**fields, "answer": None}


PROMPTS = RowFormat(
    name="prompts",
    title="Prompts only",
    fields=(Field("prompt", "text_or_messages"), Field("system", required=False)),
    needs=frozenset({"prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Write a haiku about snow."},
)
