"""OpenAI's harmony format (gpt-oss): thoughts and calls are turns of their own, told apart by `channel` and `recipient`."""

from __future__ import annotations

from typing import Any

from droid_tune.data.formats.parts.tool_calls import Call, parsed_calls

#: what a turn has besides others' keys
KEYS = ("channel", "recipient", "content_type")
_FUNCTIONS = "functions."
_THOUGHTS = "analysis"
_CHANNELS = (_THOUGHTS, "commentary")
#: recipients that are no tools
_NOBODY = ("", "all", "user", "assistant")


def is_to_tool(turn: dict[str, Any]) -> bool:
    """Whether an assistant's turn goes to a tool, so that its text is the arguments. Others than this format's have
    recipients too; theirs are no tools."""
    to = turn.get("recipient")
    if turn.get("role") != "assistant" or not isinstance(to, str) or turn.get("tool_calls"):
        return False
    return to.startswith(_FUNCTIONS) or (turn.get("channel") in _CHANNELS and to.strip() not in _NOBODY)


def is_thought(turn: dict[str, Any]) -> bool:
    """Whether what an assistant's turn says are thoughts."""
    return turn.get("channel") == _THOUGHTS


def called(turn: dict[str, Any], said: str) -> list[Call]:
    """The call that a turn to a tool is, with the arguments that it says."""
    return parsed_calls({"name": turn["recipient"].removeprefix(_FUNCTIONS), "arguments": said}) or []


def own_name(name: Any) -> Any:
    """A tool's name without the namespace that the format puts before it."""
    return name.removeprefix(_FUNCTIONS) if isinstance(name, str) else name


def thinks_for(before: dict[str, Any], turn: dict[str, Any]) -> bool:
    """Whether all that a turn holds are thoughts of a channel of their own, and the next one is the same speaker's."""
    alone = before["content"] == "" and "reasoning_content" in before and not before.get("tool_calls")
    same = turn["role"] == before["role"] and turn.get("weight") == before.get("weight")
    return alone and same and not any(key in turn for key in ("reasoning", "thinking"))


def both_thoughts(before: dict[str, Any], turn: dict[str, Any]) -> str:
    """What was thought in two turns."""
    return "\n\n".join(filter(None, (before["reasoning_content"], turn.get("reasoning_content"))))
