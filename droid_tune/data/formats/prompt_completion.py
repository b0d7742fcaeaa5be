"""`{"prompt", "completion"}`: text or messages on both sides, as TRL and OpenAI's older files have them."""

from droid_tune.data.formats.base import Field, Row, RowFormat
from droid_tune.data.formats.messages import plain_messages, split_last_answer


def answer_of(value: object) -> str | None:
    """The assistant's text in a completion that is text or messages."""
    if isinstance(value, list):
        return split_last_answer(plain_messages(value))[1]
    return str(value)


def _normalise(fields: Row) -> Row:
    completion = fields["completion"]
    row: Row = {"prompt": fields["prompt"], "system": fields.get("system"), "answer": answer_of(completion)}
    if isinstance(completion, list):
        row["completion"] = plain_messages(completion)
    return row


PROMPT_COMPLETION = RowFormat(
    name="prompt_completion",
    title="Prompt and completion",
    fields=(
        Field("prompt", "text_or_messages"),
        Field("completion", "text_or_messages"),
        Field("system", required=False),
    ),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "The capital of France is", "completion": " Paris."},
)
