"""`{"conversations": [{"from", "value"}], "system"?, "tools"?}`: ShareGPT's shape of a conversation."""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.chat import conversation_row
from droid_tune.data.formats.parts.messages import plain_messages


def _normalise(fields: Row) -> Row:
    return conversation_row(fields, plain_messages(fields["conversations"]))


CONVERSATIONS = RowFormat(
    name="conversations",
    title="ShareGPT conversations",
    fields=(Field("conversations", "conversations"), REFERENCE, *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example={
        "conversations": [
            {"from": "human", "value": "Hello!"},
            {"from": "gpt", "value": "Hello, how are you?"},
        ]
    },
    needs_assistant=True,
)
