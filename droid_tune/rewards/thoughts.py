"""Where a model's thoughts end and its answer begins, also where the prompt has opened the thoughts already.

Templates of thinking models (R1's distils, Qwen3-Thinking) end their generation prompt with `<think>`: the completion then
holds no opening tag, and until it closes the thoughts all of it is thought.
"""

from __future__ import annotations

import re

from droid_tune.data.rendering import thinking

#: what opens thoughts -> what closes them: the marks that templates write, and those that models write besides
TAGS = {
    **thinking.TAGS,
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<longcat_think>": "</longcat_think>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<unused94>": "<unused95>",
    "◁think▷": "◁/think▷",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
_OPENS = re.compile("|".join(map(re.escape, TAGS)))
_CLOSES = re.compile("|".join(map(re.escape, TAGS.values())))
#: marks around what is said after the thoughts: Command's and OpenThinker's
_FRAME = re.compile(r"<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>")
#: what no thought holds: the marks between the turns of a conversation
_TURN = re.compile(r"<[|｜]|</s>|<(?:end|start)_of_turn>|\[/INST\]")
#: where a model's turn begins: a line of its own, or right behind a mark of the template
_TURN_BEGINS = re.compile(r"(?:^|[\n>\]])[ \t]*\Z")


def after_thinking(text: str, opened: str = "") -> str | None:
    """What is said after the thoughts, or before them where nothing follows; None where they never end.

    `opened` is what `opened_thoughts` found.
    """
    closes = list(_CLOSES.finditer(text))
    after = text[closes[-1].end() :] if closes else text
    if _OPENS.search(after) or (opened and not closes):
        return None
    said = _FRAME.sub("", after)
    return said if said.strip() or not closes else _before_thoughts(text, opened)


def _before_thoughts(text: str, opened: str) -> str:
    """An answer that goes before its reasons: `<answer>7</answer><think>3 + 4</think>`."""
    opens = None if opened else _OPENS.search(text)
    before = text[: opens.start()] if opens else ""
    return "" if _CLOSES.search(before) else before


def opened_thoughts(prompt_ends: str) -> str:
    """The tag with which a prompt's end leaves thoughts open, empty where it leaves none.

    `prompt_ends` is the rendered prompt or its end. A tag that an earlier turn or a sentence only mentions is none; a
    beginning that is prefilled behind the tag belongs to the thoughts.
    """
    opens = list(_OPENS.finditer(prompt_ends))
    if not opens:
        return ""
    before, after = prompt_ends[: opens[-1].start()], prompt_ends[opens[-1].end() :]
    if after.strip() and not _TURN_BEGINS.search(before):
        return ""
    return "" if _CLOSES.search(after) or _TURN.search(after) else opens[-1].group()


def with_opening(completion: str, opened: str) -> str:
    """The completion as the conversation has it: behind the tag that its prompt opened."""
    return completion if not opened or completion.lstrip().startswith(opened) else opened + completion
