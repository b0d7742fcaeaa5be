"""`{"prompt", "answer", "system"?}`: a question and the answer a reward checks against, or that SFT imitates."""

from droid_tune.data.formats.base import Field, Row, RowFormat


def _normalise(fields: Row) -> Row:
    return fields


PROMPT_ANSWER = RowFormat(
    name="prompt_answer",
    title="Prompt and answer",
    fields=(Field("prompt", "text_or_messages"), Field("answer"), Field("system", required=False)),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "What is 2 + 3?", "answer": "5"},
)
