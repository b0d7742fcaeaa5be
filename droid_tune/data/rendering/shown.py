"""A row as a run with some method would see it: for the terminal, the window and checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.table import need_of
from droid_tune.data.lens import Lens
from droid_tune.data.rendering.shapes import Example, Prompt, TemplateOptions
from droid_tune.data.templates import render_examples, render_prompt
from droid_tune.errors import UserError


@dataclass(frozen=True)
class ShownPart:
    """One training sequence, or the prompt (of which nothing is learnt); `name` tells judged answers apart."""

    text: str
    tokens: list[int]
    learnt: list[bool]
    name: str = ""


@dataclass(frozen=True)
class ShownRow:
    """`parts` of one row, in the order in which they are learnt; `error` says why the row is left out."""

    parts: list[ShownPart] = field(default_factory=list[ShownPart])
    notes: list[str] = field(default_factory=list[str])
    error: str | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    @property
    def tokens(self) -> list[int]:
        return [token for part in self.parts for token in part.tokens]

    @property
    def learnt(self) -> list[bool]:
        return [learnt for part in self.parts for learnt in part.learnt]

    def to_json(self) -> dict[str, Any]:
        """`text`, `tokens`, `learnt`, `notes`, and `answers` where some are judged; or `error` in place of these."""
        if self.error is not None:
            return {"error": self.error, "notes": self.notes}
        whole = {"text": self.text, "tokens": self.tokens, "learnt": self.learnt, "notes": self.notes}
        answers = [
            {"name": part.name, "text": part.text, "tokens": part.tokens, "learnt": part.learnt}
            for part in self.parts
            if part.name
        ]
        return {**whole, "answers": answers} if answers else whole


def seen_row(tokenizer: Any, row: Row, options: TemplateOptions, method: str) -> ShownRow:
    """The row as a run with this method renders it. Raises `UserError` where the template refuses it."""
    answered = "text" in row or "messages" in row or "answer" in row or "completion" in row
    if (need_of(method) == "prompt" or not answered) and "prompt" in row:
        return of_prompt(render_prompt(tokenizer, row, options))
    lens = Lens.for_method(method, tokenizer, options)
    if lens.judged:
        named = lens.answers_of(row)
        parts = [ShownPart(one.text, one.tokens, one.answer_mask, name) for name, one in named.items()]
        return ShownRow(parts, _told(named.values()))
    examples = render_examples(tokenizer, row, options)
    parts = [ShownPart(one.text, one.tokens, one.answer_mask) for one in examples]
    return ShownRow(parts, _told(examples))


def of_prompt(prompt: Prompt) -> ShownRow:
    """A prompt, of which nothing is learnt."""
    part = ShownPart(prompt.text, prompt.tokens, [False] * len(prompt.tokens))
    return ShownRow([part], [note.text for note in prompt.notes])


def _told(examples: Iterable[Example]) -> list[str]:
    return list(dict.fromkeys(note.text for one in examples for note in one.notes))


def show_row(tokenizer: Any, row: Row, options: TemplateOptions, method: str) -> ShownRow:
    """The same, with the reason in words for a row that is left out."""
    try:
        return seen_row(tokenizer, row, options, method)
    except UserError as error:
        return ShownRow(error=str(error))
