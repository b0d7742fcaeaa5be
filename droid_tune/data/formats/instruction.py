"""`{"instruction", "output" or "response", "input"?}`: Alpaca's shape; `input` follows the instruction."""

from droid_tune.data.formats.base import Field, Row, RowFormat


def instruction_prompt(fields: Row) -> str:
    """The instruction, then the input after a blank line where there is one."""
    instruction, context = str(fields["instruction"]), fields.get("input")
    return f"{instruction}\n\n{context}" if context and str(context).strip() else instruction


def _normalise(fields: Row) -> Row:
    return {
        "prompt": instruction_prompt(fields),
        "answer": fields["output"],
        "system": fields.get("system"),
    }


INSTRUCTION = RowFormat(
    name="instruction",
    title="Instruction and output",
    fields=(
        Field("instruction"),
        Field("output", synonyms=("response",)),
        Field("input", required=False),
        Field("system", required=False),
    ),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example={"instruction": "Name the opposite.", "input": "hot", "output": "cold"},
)
