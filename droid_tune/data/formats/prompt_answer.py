"""`{"prompt", "answer", "system"?}`: a question and the answer a reward checks against, or that SFT imitates."""

from droid_tune.data.formats.base import COMMON, REFERENCES, Field, Row, RowFormat
from droid_tune.data.formats.prompt_completion import prompt_of


def _normalise(fields: Row) -> Row:
    return {**fields, "prompt": prompt_of(fields["prompt"])}


PROMPT_ANSWER = RowFormat(
    name="prompt_answer",
    title="Prompt and answer",
    fields=(Field("prompt", "text_or_messages"), Field("answer", "answer", instead=REFERENCES), *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "What is 2 + 3?", "answer": "5"},
)
