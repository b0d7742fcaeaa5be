"""`{"data": {...}, "annotations": [...]}`: Label Studio's JSON export; a text of `data` is the prompt."""

from __future__ import annotations

from typing import Any, cast

from droid_tune.data.formats.base import Field, Row, RowFormat
from droid_tune.data.formats.parts.annotations import agreed, answers_given
from droid_tune.data.formats.parts.answers import answer_in

#: What the shown text is called, the likeliest first.
_SHOWN = ("prompt", "question", "instruction", "query", "text", "input")


def _normalise(fields: Row) -> Row:
    answer = agreed(answers_given(fields["annotations"]))
    return {"prompt": shown_text(fields["data"]), "answer": answer_in(list(answer or ()))}


def shown_text(data: dict[str, Any]) -> str:
    """What the annotators saw: the text of a known name, else the first text that there is."""
    texts = {name: value for name, value in data.items() if isinstance(value, str) and value.strip()}
    return texts[next((name for name in _SHOWN if name in texts), next(iter(texts)))]


LABEL_STUDIO = RowFormat(
    name="label_studio",
    title="Label Studio",
    fields=(Field("data", "shown"), Field("annotations", "annotations")),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example=cast(
        "Row",
        {
            "data": {"text": "What is 2 + 3?"},
            "annotations": [{"result": [{"type": "textarea", "value": {"text": ["5"]}}]}],
        },
    ),
)
