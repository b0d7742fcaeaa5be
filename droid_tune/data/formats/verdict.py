"""`{"prompt", "completion", "label"}`: one answer that is said to be good or bad, as TRL's KTO and ms-swift have it."""

from __future__ import annotations

from collections.abc import Sequence

from droid_tune.data.formats.base import COMMON, Field, Row, RowFormat
from droid_tune.data.formats.parts.field_checks import said_wanted, verdict_in
from droid_tune.data.formats.parts.messages import plain_messages, split_last_answer
from droid_tune.data.formats.parts.repeated_prompt import apart, turns_in
from droid_tune.data.formats.prompt_completion import answer_of, prompt_of

VERDICT_LABEL = Field("label", "verdict", synonyms=("desirable", "kto_tag"))


def _normalise(fields: Row) -> Row:
    prompt, (completion,) = apart(fields["prompt"], [fields["completion"]])
    row: Row = {
        "prompt": prompt_of(prompt),
        "system": fields.get("system"),
        "answer": answer_of(completion),
        "label": verdict_in(fields["label"]),
    }
    return row if isinstance(completion, str) else {**row, "completion": turns_in(completion)}


def _normalise_messages(fields: Row) -> Row:
    """The last turn is judged, the others are the prompt; all of them where nobody has answered the last."""
    before, last = split_last_answer(plain_messages(fields["messages"]))
    if last is None:
        return {"prompt": before, "system": fields.get("system"), "label": verdict_in(fields["label"])}
    rest = {key: fields[key] for key in fields if key != "messages"}
    return _normalise({**rest, "prompt": before, "completion": [last]})


def said_unread_label(rows: Sequence[Row]) -> str:
    """What the label of rows would have to be that says neither good nor bad; empty where they have none."""
    name = next(
        (name for name in (VERDICT_LABEL.name, *VERDICT_LABEL.synonyms) if any(name in row for row in rows)),
        "",
    )
    return f"; `{name}` would say it, if it were {said_wanted('verdict')}" if name else ""


VERDICT = RowFormat(
    name="verdict",
    title="Answers with a verdict",
    fields=(
        Field("prompt", "text_or_messages"),
        Field("completion", "turn_or_messages"),
        VERDICT_LABEL,
        *COMMON,
    ),
    needs=frozenset({"verdict", "prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Say hello.", "completion": "Hello!", "label": True},
)

MESSAGES_VERDICT = RowFormat(
    name="messages_verdict",
    title="Chats with a verdict",
    fields=(Field("messages", "messages", synonyms=("conversations",)), VERDICT_LABEL, *COMMON),
    needs=frozenset({"verdict", "prompt"}),
    normalise=_normalise_messages,
    example={
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
        "label": True,
    },
    ends_with_answer=True,
)
