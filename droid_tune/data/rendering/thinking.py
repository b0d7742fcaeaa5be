"""Thoughts of an answer: where they stand in a row, how a template wants them, and prompts that open them."""

from __future__ import annotations

import re
from typing import Any

from droid_tune.data.formats.parts.messages import Message
from droid_tune.names import Thinking

#: Opening and closing marks that templates write.
TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
    "<|channel>thought": "<channel|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<seed:think>": "</seed:think>",
    "<mm:think>": "</mm:think>",
    "<think:opensource>": "</think:opensource>",
    "<|inner_prefix|>": "<|inner_suffix|>",
}
#: What these models write behind the opening mark, before the closing one and behind it; the others part all by line feeds.
_LAID_OUT = {
    "<|channel>thought": ("\n", "\n", ""),
    "<|START_THINKING|>": ("", "", ""),
    "<seed:think>": ("", "", "\n"),
    "<mm:think>": ("", "", ""),
    "<think:opensource>": ("", "", ""),
    "<|inner_prefix|>": ("", "", ""),
    "[THINK]": ("", "", ""),
}
#: those that are words of an answer to every tokenizer
_IN_TEXT = ("<think>", "<thinking>", "[THINK]")
_BY_LINES = ("\n", "\n", "\n\n")
#: Keys that a turn's thoughts stand under, the field's own name first.
KEYS = ("reasoning_content", "reasoning", "thinking")
#: How templates call the switch, and what they read as on and as off: the first two without further ado, the others where
#: the template holds those words.
_SWITCHES: tuple[tuple[str, str, object, object], ...] = (
    ("enable_thinking", "", True, False),
    ("thinking", "", True, False),
    ("thinking_mode", 'thinking_mode == "disabled"', "enabled", "disabled"),
    ("reasoning_effort", "no_think", "high", "no_think"),
    ("reasoning", "if reasoning %}", True, False),
)
_OPENERS = "|".join(map(re.escape, TAGS))
_CLOSERS = "|".join(map(re.escape, TAGS.values()))
_OPENED = re.compile(rf"({_OPENERS})\s*\Z")
#: GLM and DeepSeek close what they did not open
_CLOSED = re.compile(rf"(?:({_OPENERS})\s*)?({_CLOSERS})\s*\Z")
_BLOCK = re.compile(rf"\s*({_OPENERS})(.*?)({_CLOSERS})\s*", re.DOTALL)
_EMPTY = re.compile(rf"\s*({_OPENERS})(\s*)({_CLOSERS})(\s*)")
_CLOSED_FIRST = re.compile(rf"\s*({_CLOSERS})")
_UNENDED = re.compile(rf"\s*(?:{_OPENERS})(?!.*(?:{_CLOSERS}))", re.DOTALL)
_TAIL = re.compile(rf"((?:(?!{_OPENERS}).)*?)({_CLOSERS})\s*", re.DOTALL)


def thinking_switches(thinking: Thinking, source: str) -> dict[str, Any]:
    """What a template (`source`) is told to switch thinking; a name that it does not know changes nothing."""
    if thinking == "template":
        return {}
    return {name: on if thinking == "on" else off for name, sign, on, off in _SWITCHES if sign in source}


def opens_thought(prompt: str) -> re.Match[str] | None:
    """The mark with which a rendered prompt leaves a thought open at its very end."""
    return _OPENED.search(prompt)


def opened_mark(prompt: str) -> str:
    """That mark alone, empty where the prompt leaves no thought open."""
    found = opens_thought(prompt)
    return found.group(1) if found else ""


def closes_thought(prompt: str) -> re.Match[str] | None:
    """The empty thought with which a rendered prompt says that there is to be none."""
    return _CLOSED.search(prompt)


def split_thoughts(turn: Message) -> tuple[str | None, str]:
    """`(thoughts, what is said)` of an assistant turn; None where it has no thoughts.

    Thoughts stand under a key of their own, or at the head of the content between marks (the opening mark may be
    missing: it stood in the prompt then).
    """
    content = str(turn.get("content") or "")
    own = next((turn[key] for key in KEYS if isinstance(turn.get(key), str) and turn[key].strip()), None)
    found = _BLOCK.match(content) or _TAIL.match(content)
    inner = None if found is None else found.group(found.lastindex - 1 if found.lastindex else 0)
    if own is not None:
        repeated = found is not None and inner is not None and inner.strip() == own.strip()
        return own, content[found.end() :] if repeated and found else content
    if found is None or inner is None:
        return None, content
    return inner.strip("\n"), content[found.end() :]


def never_ends(said: str) -> bool:
    """Whether an answer begins with thoughts that it does not close: whoever wrote it was cut off."""
    return _UNENDED.match(said) is not None


def without_thoughts(turn: Message) -> Message:
    """A turn with all that it thinks taken out."""
    _, said = split_thoughts(turn)
    return {**{key: value for key, value in turn.items() if key not in KEYS}, "content": said}


def opener_of(source: str) -> str:
    """The mark with which a template's model opens thoughts, by what its template holds."""
    return next((opener for opener in _LAID_OUT if opener in source and TAGS[opener] in source), "<think>")


def block(thoughts: str, opener: str = "<think>") -> str:
    """Thoughts between marks, as the models that open them write them."""
    return f"{opener}{_LAID_OUT.get(opener, _BY_LINES)[0]}{ending(thoughts, opener)}"


def filled(thoughts: str, written: str, opener: str) -> str:
    """An answer with its thoughts at its head, in the empty thought that the template wrote there if it wrote one."""
    empty = _EMPTY.match(written)
    if empty is None:
        return block(thoughts, opener) + behind_block(written)
    apart = "\n" if "\n" in empty[2] else ""
    inner = thoughts.strip("\n")
    return f"{empty[1]}{apart}{inner}{apart}{empty[3]}{empty[4]}{written[empty.end() :]}"


def goes_on(written: str) -> bool:
    """Whether an answer, as a template writes it behind an open thought, goes on in it: ends it, and opens none of its own.
    One that its author never ended is left as it is."""
    closes = re.search(_CLOSERS, written) is not None
    return never_ends(written) or (closes and re.match(rf"\s*(?:{_OPENERS})", written) is None)


def behind_opened(thoughts: str, written: str, opener: str) -> str:
    """What a model writes that thinks already; `written` is what the template writes from the opening mark on. A template
    that leaves out the mark writes the closing one by itself (GLM's)."""
    if _CLOSED_FIRST.match(written):
        return thoughts.strip("\n") + written
    return ending(thoughts, opener) + behind_block(written)


def ending(thoughts: str, opener: str = "<think>") -> str:
    """What a model writes that thinks already: the thoughts, the closing mark, a blank line."""
    _, before, behind = _LAID_OUT.get(opener, _BY_LINES)
    inner = thoughts.strip("\n")
    return f"{inner}{before}{TAGS[opener]}{behind}"


def behind_block(text: str) -> str:
    """A rendered answer without the thoughts at its head, or the mark alone that ends none."""
    found = _BLOCK.match(text) or _CLOSED_FIRST.match(text)
    return text[found.end() :] if found else text.lstrip("\n")


def place_thoughts(turn: Message, source: str) -> Message:
    """A turn whose thoughts stand where the template (`source`) looks for them."""
    thoughts, said = split_thoughts(turn)
    bare: dict[str, Any] = {key: value for key, value in turn.items() if key not in KEYS}
    if thoughts is None:
        return bare
    key = next((one for one in KEYS if _reads(source, one)), None)
    if key is not None:
        return {**bare, "content": said, key: thoughts}
    opener = opener_of(source)
    if opener not in _IN_TEXT:  # marks that are control tokens are no row's to write
        return {**bare, "content": said, KEYS[0]: thoughts}
    if any(isinstance(turn.get(one), str) for one in KEYS) or "</think>" in source:
        return {**bare, "content": block(thoughts, opener) + said}
    return bare  # thoughts as they were written, in the text


def knows_thoughts(source: str) -> bool:
    """Whether a template reads or writes thoughts in any way that is known here."""
    return any(closer in source for closer in TAGS.values()) or any(_reads(source, key) for key in KEYS)


def _reads(source: str, key: str) -> bool:
    """Whether the template reads `message.key` or `message["key"]`."""
    return re.search(rf"\.{key}\b|\[\s*['\"]{key}['\"]\s*\]|get\(\s*['\"]{key}['\"]", source) is not None
