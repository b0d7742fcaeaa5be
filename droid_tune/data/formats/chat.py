"""`{"messages": [{"role", "content"}]}`: whole conversations; SFT learns every turn of the assistant's."""

from droid_tune.data.formats.base import Field, Row, RowFormat
from droid_tune.data.formats.messages import plain_messages, split_last_answer


def conversation_row(messages: list[Row]) -> Row:
    """The turns, and for methods that answer themselves: the turns before the last answer, and that answer."""
    before, answer = split_last_answer(messages)
    return {"messages": messages, "prompt": before, "answer": answer}


def _normalise(fields: Row) -> Row:
    return {**fields, **conversation_row(plain_messages(fields["messages"]))}


MESSAGES = RowFormat(
    name="messages",
    title="Messages",
    fields=(Field("messages", "messages"),),
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
