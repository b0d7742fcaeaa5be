"""What a model is told about its calls: the result, or plainly what is wrong, as turns that it reads next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from droid_tune.environments.arguments import fault_of
from droid_tune.environments.episode import CallRecord, CallState, ToolCall, Turn

Tools = Sequence[Mapping[str, Any]]


def error_text(clause: str) -> str:
    """How every failure begins, so that a model learns it once."""
    return f"error: {clause}"


def refusal(found: ToolCall | str, tools: Tools) -> CallRecord | None:
    """The record of a call that is not made, because it cannot be read or does not fit; None for one that can be."""
    if isinstance(found, str):
        return CallRecord("", {}, "malformed", error_text(f"the call {found}"))
    fault = fault_of(found, tools)
    if not fault:
        return None
    known = any(one["function"]["name"] == found.name for one in tools)
    state: CallState = "refused" if known else "unknown"
    return CallRecord(found.name, found.arguments, state, error_text(fault))


def shortened(text: str, most: int) -> str:
    """A result of at most `most` characters, with a sentence about what is left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n({len(text) - most:,} more characters are left out)"


def result_turns(records: Sequence[CallRecord], *, in_words: bool) -> tuple[Turn, ...]:
    """A tool's turn for each call, in order; for templates without tools one turn of the user's."""
    if not in_words:
        return tuple(Turn("tool", one.result, name=one.name or None) for one in records)
    parts = [f"<tool_response>\n{one.result}\n</tool_response>" for one in records]
    return (Turn("user", "\n".join(parts)),)
