"""`{"question", "answer", "source"?}`: prompt and answer under the names of GSM8K and many others."""

from droid_tune.data.formats.base import COMMON, Field, Row, RowFormat


def _normalise(fields: Row) -> Row:
    question = fields.pop("question")
    return {"prompt": question, **fields}


QUESTION_ANSWER = RowFormat(
    name="question_answer",
    title="Question and answer",
    fields=(Field("question"), Field("answer", "answer"), *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    prompt_field="question",
    example={"question": "What is 2 + 3?", "answer": "5"},
)
