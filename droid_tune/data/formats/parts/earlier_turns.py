"""Earlier turns beside the last question: `history` as Alpaca's, LLaMA-Factory's and ms-swift's rows have it."""

from __future__ import annotations

import json
from typing import Any, cast

from droid_tune.data.formats.parts.messages import Message

Pair = list[str]
Row = dict[str, Any]


def is_history(value: Any) -> bool:
    """Whether a value is a list of [question, answer] pairs of texts, or the JSON text of one; the list may be empty."""
    pairs = _listed(value)
    return isinstance(pairs, list) and all(_is_pair(item) for item in cast("list[Any]", pairs))


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else []
    except ValueError:
        return value


def _is_pair(item: Any) -> bool:
    if not isinstance(item, list):
        return False
    parts = cast("list[Any]", item)
    return len(parts) == 2 and all(isinstance(part, str) for part in parts)


def with_history(prompt: str, history: list[Pair] | str | None) -> str | list[Message]:
    """The prompt as it stands, or as the last turn behind earlier ones."""
    pairs: list[Pair] = _listed(history)
    if not pairs:
        return prompt
    earlier = [
        {"role": role, "content": text}
        for question, answer in pairs
        for role, text in (("user", question), ("assistant", answer))
        if text
    ]
    return [*earlier, {"role": "user", "content": prompt}]


def with_learnt_history(row: Row, answer: str) -> Row:
    """A row whose prompt has earlier turns as one conversation, every answer of which is learnt (as LLaMA-Factory does)."""
    turns = row["prompt"]
    if not isinstance(turns, list):
        return row
    system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    return {**row, "messages": [*system, *turns, {"role": "assistant", "content": answer}]}
