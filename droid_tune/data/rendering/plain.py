"""A row for a model without a chat template: its turns' texts, a blank line between them, the last answer learnt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering.encoding import encode
from droid_tune.data.rendering.fitting import is_learnt, tools_of
from droid_tune.data.rendering.sequences import written_control
from droid_tune.data.rendering.shapes import Example, Note, Prompt, TemplateOptions
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.rendering.thinking import place_thoughts
from droid_tune.data.rendering.turns import RowTurns, row_turns
from droid_tune.errors import UserError

_ONLY_LAST = Note(
    "only_last_answer", "Without a chat template only the last answer is learnt; earlier ones are read."
)
_BEHIND = Note("turns_after_answer", "Turns behind the last answer that is learnt are not used.")


def plain_prompt(tokenizer: Any, row: Row, options: TemplateOptions) -> Prompt:
    """The texts before the answer. Raises `UserError` for tools, which need a template."""
    asked = {key: row[key] for key in row if key not in ("messages", "completion", "answer")}
    shown = {**row, "tools": list(options.tools)} if options.tools else row
    text = _plain(_shown(shown, row_turns(asked, options.system_prompt)))
    controls, literal, notes = _written(tokenizer, text)
    tokens = encode(tokenizer, text, literal=literal, controls=controls, add_start=True).tokens
    return Prompt(text, tokens, text[-200:], notes)


def plain_examples(
    tokenizer: Any, row: Row, options: TemplateOptions, *, answers_only: bool
) -> list[Example]:
    """The last answer that is to be learnt behind the texts before it, closed by the token that ends all text."""
    given = row_turns(row, options.system_prompt)
    turns = _shown(row, given)
    places = [at for at, turn in enumerate(turns) if turn["role"] == "assistant" and at >= given.read]
    learnt = [at for at in places if is_learnt(given.turns[at])]
    if not learnt or not str(turns[learnt[-1]]["content"]).strip():
        raise UserError("The row has no answer to learn", remedy="add an assistant's turn, or remove the row")
    begun = given.begun if learnt[-1] == given.read else ""
    before = [*turns[: learnt[-1]], *([{"role": "assistant", "content": begun}] if begun else [])]
    answer = str(turns[learnt[-1]]["content"]).removeprefix(begun)
    example = closed(tokenizer, _plain(before), answer, answers_only=answers_only)
    told = [*example.notes]
    told += [_ONLY_LAST] if len(learnt) > 1 else []
    told += [_BEHIND] if learnt[-1] < len(turns) - 1 else []
    return [replace(example, notes=tuple(told))]


def _shown(row: Row, given: RowTurns) -> list[Message]:
    """The turns with their thoughts in their text. Raises `UserError` where a turn calls a tool or the row names some."""
    if tools_of(row) or any(turn.get("tool_calls") for turn in given.turns):
        raise UserError(
            "The model has no chat template, and without one it cannot be shown tools",
            remedy="choose a model with a template, or remove the row",
        )
    return [place_thoughts(turn, "") if turn["role"] == "assistant" else turn for turn in given.turns]


def closed(tokenizer: Any, prompt: str, answer: str, *, answers_only: bool) -> Example:
    """Text as it stands, with the tokens that begin and end a text once each."""
    end = str(getattr(tokenizer, "eos_token", None) or "") if tokenizer.eos_token_id is not None else ""
    ends = tuple(text for text in (end, ChatTemplate.of(tokenizer).end) if text)
    if end and not answer.rstrip().endswith(ends):
        answer += end
    controls, literal, notes = _written(tokenizer, prompt)
    text = prompt + answer
    found = encode(tokenizer, text, [len(prompt)], literal=literal, controls=controls, add_start=True)
    learnt = [not answers_only or at >= len(prompt) for at, _ in found.spans]
    return Example(text, found.tokens, learnt, notes)


def _written(tokenizer: Any, prompt: str) -> tuple[dict[str, int], list[tuple[int, int]], tuple[Note, ...]]:
    template = ChatTemplate.of(tokenizer)
    literal = [found.span() for found in template.control_pattern.finditer(prompt)]
    return template.ids, literal, (written_control(prompt, literal),) if literal else ()


def _plain(turns: list[dict[str, Any]]) -> str:
    return "\n\n".join(str(turn["content"]) for turn in turns if turn["content"])
