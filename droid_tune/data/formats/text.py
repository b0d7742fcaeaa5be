"""`{"text"}`: plain text, learnt whole (continued pre-training, or conversations already in a model's template)."""

from droid_tune.data.formats.base import Field, Row, RowFormat


def _normalise(fields: Row) -> Row:
    return fields


TEXT = RowFormat(
    name="text",
    title="Text",
    fields=(Field("text"),),
    needs=frozenset({"demonstration"}),
    normalise=_normalise,
    prompt_field="text",
    example={"text": "Once upon a time there was a small droid."},
)
