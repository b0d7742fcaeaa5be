"""A row as turns of a conversation: read here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import Message, plain_messages

SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class RowTurns:
    """All turns of a row. The first `read` of them are the prompt's and only read; `begun` is the beginning of the
    answer that the prompt holds already (the turn at `read` begins with it)."""

    turns: list[Message]
    read: int = 0
    begun: str = ""


def asked_turns(row: Row, system_prompt: str = "") -> list[Message]:
    """The turns up to where the model answers: system text, then the prompt's own turns."""
    prompt = row["prompt"]
    turns = plain_messages(prompt) if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    return _with_system(turns, row, system_prompt)


def row_turns(row: Row, system_prompt: str = "") -> RowTurns:
    """The row as a conversation, its answer included where it has one."""
    if "messages" in row:
        return RowTurns(_with_system(plain_messages(row["messages"]), row, system_prompt))
    asked, answered = asked_turns(row, system_prompt), _answered(row)
    begins = bool(asked and answered) and asked[-1]["role"] == answered[0]["role"] == "assistant"
    if not begins:
        return RowTurns([*asked, *answered], len(asked))
    begun = str(asked[-1]["content"])
    whole = {**asked[-1], **answered[0], "content": begun + str(answered[0]["content"])}
    return RowTurns([*asked[:-1], whole, *answered[1:]], len(asked) - 1, begun)


def turns_of(row: Row) -> list[Message]:
    """The turns alone: what a conversion writes and what lengths are measured on."""
    return row_turns(row).turns


def _answered(row: Row) -> list[Message]:
    completion = row.get("completion")
    if isinstance(completion, list):
        return plain_messages(cast("list[Message]", completion))
    answer = row.get("answer")
    if isinstance(answer, list):  # several are right: the first is imitated
        answer = next(iter(cast("list[object]", answer)), None)
    return [] if answer is None else [{"role": "assistant", "content": str(answer)}]


def _with_system(turns: list[Message], row: Row, system_prompt: str) -> list[Message]:
    if turns and turns[0]["role"] in SYSTEM_ROLES:
        return turns
    own = row.get("system")
    system = own if own and str(own).strip() else system_prompt
    return [{"role": "system", "content": system}, *turns] if system else turns


def prompt_text(row: Row) -> str:
    """What is asked, in short: the prompt, or the last turn of the user's."""
    prompt = row.get("prompt", row.get("text", ""))
    if not isinstance(prompt, list):
        return str(prompt)
    turns = plain_messages(cast("list[Message]", prompt))
    asked = [turn["content"] for turn in turns if turn["role"] == "user"]
    return str(asked[-1] if asked else turns[-1]["content"] if turns else "")
