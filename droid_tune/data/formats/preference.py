"""`{"prompt", "chosen", "rejected"}`: a better and a worse answer to the same prompt, as text or messages; ms-swift has
the better one at the end of `messages`, beside `rejected_response`.

`reference` may hold a gold answer, which TPO imitates.
"""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.instruction import HISTORY, instruction_prompt
from droid_tune.data.formats.parts.earlier_turns import with_history
from droid_tune.data.formats.parts.messages import Message, is_plain_text, plain_messages
from droid_tune.data.formats.parts.repeated_prompt import apart, dialogue, shared_turns, turns_in
from droid_tune.data.formats.prompt_completion import answer_of, prompt_of


def _normalise(fields: Row) -> Row:
    prompt, (chosen, rejected) = apart(fields["prompt"], [fields["chosen"], fields["rejected"]])
    gold = fields.get("reference")
    return {
        **fields,
        "prompt": prompt_of(prompt),
        "chosen": _side(chosen),
        "rejected": _side(rejected),
        "answer": fields.get("answer", answer_of(chosen)),
        **({"reference": _side(apart(prompt, [gold])[1][0])} if gold else {}),
    }


def _side(value: object) -> str | list[Message]:
    """A side as its text, or as turns where it is more than one plain turn of the assistant's."""
    turns = turns_in(value)
    alone = len(turns) == 1 and turns[0]["role"] == "assistant" and is_plain_text(turns[0])
    return turns[0]["content"] if alone else turns


def _normalise_instruction(fields: Row) -> Row:
    row = {key: fields[key] for key in fields if key not in ("instruction", "input", "history")}
    prompt = with_history(instruction_prompt(fields), fields.get("history"))
    return _normalise({**row, "prompt": prompt})


def _normalise_conversation(fields: Row) -> Row:
    row = {key: fields[key] for key in fields if key != "conversations"}
    return _normalise({**row, "prompt": fields["conversations"]})


def _normalise_answered(fields: Row) -> Row:
    """The conversation's last turn is the better one, and what is rejected stands where it stood."""
    turns = plain_messages(fields["messages"])
    row = {key: fields[key] for key in fields if key not in ("messages", "rejected_response")}
    sides = {"chosen": turns[-1:], "rejected": fields["rejected_response"]}
    return _normalise({**row, "prompt": turns[:-1], **sides})


def _normalise_whole(fields: Row) -> Row:
    """Both sides begin with the same turns: those are the prompt."""
    sides = {name: dialogue(fields[name]) for name in ("chosen", "rejected")}
    shared = shared_turns(list(sides.values()))
    behind = {name: side[len(shared) :] for name, side in sides.items()}
    return _normalise({**fields, "prompt": shared, **behind})


_GOLD = Field("reference", "turn_or_messages", required=False, need="preference")
_SIDES = (Field("chosen", "turn_or_messages"), Field("rejected", "turn_or_messages"), _GOLD)

PREFERENCE = RowFormat(
    name="preference",
    title="Preference pairs",
    fields=(Field("prompt", "text_or_messages"), *_SIDES, REFERENCE, *COMMON),
    needs=frozenset({"preference", "verdict", "prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Say hello.", "chosen": "Hello!", "rejected": "What?"},
)

INSTRUCTION_PREFERENCE = RowFormat(
    name="instruction_preference",
    title="Instruction with preference pairs",
    fields=(Field("instruction"), *_SIDES, Field("input", required=False), HISTORY, REFERENCE, *COMMON),
    needs=frozenset({"preference", "verdict", "prompt"}),
    normalise=_normalise_instruction,
    example={"instruction": "Say hello.", "input": "", "chosen": "Hello!", "rejected": "What?"},
)

CONVERSATION_PREFERENCE = RowFormat(
    name="conversation_preference",
    title="Conversations with preference pairs",
    fields=(Field("conversations", "messages", synonyms=("messages",)), *_SIDES, REFERENCE, *COMMON),
    needs=frozenset({"preference", "verdict", "prompt"}),
    normalise=_normalise_conversation,
    example={
        "conversations": [{"from": "human", "value": "Say hello."}],
        "chosen": {"from": "gpt", "value": "Hello!"},
        "rejected": {"from": "gpt", "value": "What?"},
    },
)

ANSWERED_PREFERENCE = RowFormat(
    name="answered_preference",
    title="Chats with a rejected answer",
    fields=(
        Field("messages", "messages", synonyms=("conversations",)),
        Field("rejected_response", "turn_or_messages", synonyms=("rejected_messages",)),
        REFERENCE,
        *COMMON,
    ),
    needs=frozenset({"preference", "verdict", "prompt"}),
    normalise=_normalise_answered,
    example={
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
        "rejected_response": "What?",
    },
    ends_with_answer=True,
)

WHOLE_PREFERENCE = RowFormat(
    name="whole_preference",
    title="Pairs of whole conversations",
    fields=(Field("chosen", "dialogue"), Field("rejected", "dialogue"), _GOLD, REFERENCE, *COMMON),
    needs=frozenset({"preference", "verdict", "prompt"}),
    normalise=_normalise_whole,
    example={
        "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
        "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "What?"}],
    },
)
