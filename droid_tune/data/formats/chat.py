"""`{"messages": [{"role", "content"}]}`: whole conversations; SFT learns every turn of the assistant's."""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.parts.messages import plain_messages, split_last_answer


def conversation_row(fields: Row, messages: list[Row]) -> Row:
    """The turns, and for methods that answer themselves: the turns before the last answer, and that answer.

    A reference beside the turns goes before the assistant's own words.
    """
    system = fields.get("system")
    if system and str(system).strip() and messages[0]["role"] not in ("system", "developer"):
        messages = [{"role": "system", "content": system}, *messages]
    before, last = split_last_answer(messages)
    said = None if last is None else last["content"]
    return {"messages": messages, "prompt": before, "answer": fields.get("answer") or said or None}


def _normalise(fields: Row) -> Row:
    return conversation_row(fields, plain_messages(fields["messages"]))


MESSAGES = RowFormat(
    name="messages",
    title="Messages",
    fields=(Field("messages", "messages"), REFERENCE, *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example={
        "messages": [
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "Hello, how are you?"},
        ]
    },
    needs_assistant=True,
)
