"""`{"prompt", "chosen", "rejected"}`: a better and a worse answer to the same prompt, as text or messages."""

from droid_tune.data.formats.base import Field, Row, RowFormat
from droid_tune.data.formats.instruction import instruction_prompt
from droid_tune.data.formats.prompt_completion import answer_of


def _normalise(fields: Row) -> Row:
    chosen, rejected = answer_of(fields["chosen"]), answer_of(fields["rejected"])
    return {**fields, "chosen": chosen, "rejected": rejected, "answer": chosen}


def _normalise_instruction(fields: Row) -> Row:
    return _normalise({**fields, "prompt": instruction_prompt(fields)})


_SIDES = (Field("chosen", "text_or_messages"), Field("rejected", "text_or_messages"))

PREFERENCE = RowFormat(
    name="preference",
    title="Preference pairs",
    fields=(Field("prompt", "text_or_messages"), *_SIDES, Field("system", required=False)),
    needs=frozenset({"preference", "prompt"}),
    normalise=_normalise,
    prompt_field="prompt",
    example={"prompt": "Say hello.", "chosen": "Hello!", "rejected": "What?"},
)

INSTRUCTION_PREFERENCE = RowFormat(
    name="instruction_preference",
    title="Instruction with preference pairs",
    fields=(Field("instruction"), *_SIDES, Field("input", required=False), Field("system", required=False)),
    needs=frozenset({"preference", "prompt"}),
    normalise=_normalise_instruction,
    example={"instruction": "Say hello.", "input": "", "chosen": "Hello!", "rejected": "What?"},
)
