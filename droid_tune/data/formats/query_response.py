"""`{"query", "response", "history"?, "system"?}`: ms-swift's older shape."""

from droid_tune.data.formats.base import COMMON, REFERENCE, Field, Row, RowFormat
from droid_tune.data.formats.instruction import HISTORY
from droid_tune.data.formats.parts.earlier_turns import with_history, with_learnt_history


def _normalise(fields: Row) -> Row:
    row: Row = {
        "prompt": with_history(fields["query"], fields.get("history")),
        "answer": fields.get("answer", fields["response"]),
        "system": fields.get("system"),
    }
    return with_learnt_history(row, fields["response"])


QUERY_RESPONSE = RowFormat(
    name="query_response",
    title="Query and response",
    fields=(Field("query"), Field("response"), HISTORY, REFERENCE, *COMMON),
    needs=frozenset({"prompt", "demonstration"}),
    normalise=_normalise,
    example={"query": "What is 2 + 3?", "response": "5"},
)
