"""Rows whose answers are judged: each answer behind the same prompt, rendered as an answer to imitate is."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.plain import plain_examples
from droid_tune.data.rendering.sequences import examples_of
from droid_tune.data.rendering.shapes import Example, Note, TemplateOptions
from droid_tune.data.rendering.templates.chat_template import has_chat_template
from droid_tune.errors import UserError

#: the answers of a row in the order in which losses take them
SIDES = ("chosen", "rejected", "reference")
_ONLY_LAST = Note(
    "last_answer_compared",
    "The template renders earlier turns otherwise once others follow: the last answers alone are compared.",
)

_CUT = Note(
    "answers_cut",
    "The answers do not fit into `max_seq_length` and are learnt without their ends; raise it to learn all of them.",
)


_OTHER_QUESTIONS = Note(
    "different_questions",
    "The two answers reply to different questions; each is judged behind its own.",
)


def judged_rows(row: Row, answers: int) -> dict[str, Row]:
    """A row for each of its `answers` by name: a pair's sides (with the gold answer where three are asked for), or the
    one that a verdict is about. Raises UserError where one is missing."""
    common = {
        key: row[key] for key in row if key not in (*SIDES, "answer", "completion", "messages", "label")
    }
    if answers == 1 and "label" in row:
        own = {key: row[key] for key in ("answer", "completion") if key in row}
        return {"good" if row["label"] else "bad": {**common, **own}}
    names = SIDES[: max(2, answers)]
    for name in names:
        if name not in row:
            raise UserError(f"The row has no `{name}` answer", remedy="add it, or remove the row")
    return {name: {**common, **_said(row[name])} for name in names}


def _said(side: Any) -> Row:
    return {"completion": side} if isinstance(side, list) else {"answer": side}


def render_judged(
    tokenizer: Any, row: Row, options: TemplateOptions, answers: int, limit: int | None = None
) -> dict[str, Example]:
    """Each answer of a row behind its prompt, by name; beyond `limit` tokens the end is cut off.

    Raises UserError where the template refuses one, or nothing of one is left.
    """
    found = {
        name: _shortened(_rendered(tokenizer, one, options), limit)
        for name, one in judged_rows(row, answers).items()
    }
    if "rejected" in found and found["chosen"].tokens == found["rejected"].tokens:
        raise UserError(
            "Both answers are the same, so there is nothing to prefer",
            remedy="remove the row, or raise `max_seq_length` if they differ further on",
        )
    if _questions(row.get("chosen")) != _questions(row.get("rejected")):
        told = found["chosen"]
        found["chosen"] = replace(told, notes=(*told.notes, _OTHER_QUESTIONS))
    return found


def _questions(side: Any) -> list[Any]:
    """What stands in a side before its first answer."""
    turns: list[Any] = side if isinstance(side, list) else []
    asked = takewhile(lambda turn: turn["role"] != "assistant", turns)
    return [(turn["role"], turn["content"]) for turn in asked]


def render_answer(tokenizer: Any, row: Row, answer: str, options: TemplateOptions) -> Example:
    """An answer behind a row's prompt, as a judged answer of the row would be. Raises UserError where the template refuses."""
    kept = (*SIDES, "answer", "completion", "messages", "label")
    return _rendered(
        tokenizer, {**{key: row[key] for key in row if key not in kept}, "answer": answer}, options
    )


def _rendered(tokenizer: Any, row: Row, options: TemplateOptions) -> Example:
    make = examples_of if has_chat_template(tokenizer) else plain_examples
    found = make(tokenizer, row, options, answers_only=True)
    last = found[-1]
    return last if len(found) == 1 else replace(last, notes=(*last.notes, _ONLY_LAST))


def _shortened(example: Example, limit: int | None) -> Example:
    if limit is None or len(example.tokens) <= limit:
        return example
    cut = replace(
        example,
        tokens=example.tokens[:limit],
        answer_mask=example.answer_mask[:limit],
        notes=(*example.notes, _CUT),
    )
    if not any(cut.answer_mask[1:]):
        raise UserError(
            f"The prompt alone fills the {limit:,} tokens that a sequence may have",
            remedy="raise `max_seq_length`, or remove the row",
        )
    return cut


def is_good(name: str) -> bool:
    """Whether an answer of that name is one to learn, where each is judged by itself."""
    return name in ("good", "chosen")
