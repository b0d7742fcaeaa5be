"""`{"conversations": [{"from", "value"}], "system"?}`: ShareGPT's shape of a conversation."""

from droid_tune.data.formats.base import Field, Row, RowFormat
from droid_tune.data.formats.chat import conversation_row
from droid_tune.data.formats.messages import plain_messages


def _normalise(fields: Row) -> Row:
    messages = plain_messages(fields["conversations"])
    system = fields.get("system")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    return conversation_row(messages)


CONVERSATIONS = RowFormat(
    name="conversations",
    title="ShareGPT conversations",
    fields=(Field("conversations", "conversations"), Field("system", required=False)),
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
