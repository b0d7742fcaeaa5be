"""`{"instruction", "output" or "response", "input"?, "history"?}`: Alpaca's shape; `input` follows the instruction."""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.parts.earlier_turns import with_history, with_learnt_history

HISTORY = Field("history", "history", required=False)


def instruction_prompt(fields: Row) -> str:
    """The instruction, then the input after a blank line where there is one."""
    instruction, context = str(fields["instruction"]), fields.get("input")
    return f"{instruction}\n\n{context}" if context and str(context).strip() else instruction


def _normalise(fields: Row) -> Row:
    row: Row = {
        "prompt": with_history(instruction_prompt(fields), fields.get("history")),
        "answer": fields.get("answer", fields["output"]),
        "system": fields.get("system"),
    }
    return with_learnt_history(row, fields["output"])


INSTRUCTION = RowFormat(
    name="instruction",
    title="Instruction and output",
    fields=(
        Field("instruction"),
        Field("output", synonyms=("response",)),
        Field("input", required=False, instead=("context",)),
        HISTORY,
        REFERENCE,
        *COMMON,
    ),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example={"instruction": "Name the opposite.", "input": "hot", "output": "cold"},
)
