"""A row as the model will see it: the templated text, its tokens, and which of them are learnt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from droid_tune import words
from droid_tune.control import Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.shown import ShownRow, seen_row
from ui.engine_worker import EngineDoor
from ui.panes.data.rows.look import Look
from ui.widgets.texts.plain_view import Piece

#: tokens listed one by one
MOST_TOKENS = 4000


@dataclass(frozen=True)
class SeenRow:
    """`learnt` marks the tokens of answers; all False where the model answers itself."""

    text: str
    tokens: list[int]
    names: list[str]  # of the tokens, as text
    learnt: list[bool]
    special: tuple[str, ...]  # texts of the tokenizer's special tokens
    can_think: bool

    @property
    def said(self) -> str:
        """`36 tokens, 4 of them learnt`."""
        learnt = sum(self.learnt)
        count = words.count(len(self.tokens), "token")
        return f"{count}, {learnt:,} of them learnt" if learnt else f"{count} before the model answers"


def named(seen: ShownRow, tokenizer: Any) -> SeenRow:
    """A rendered row with the names of its tokens."""
    text, tokens, learnt = seen.text, seen.tokens, seen.learnt
    template = str(getattr(tokenizer, "chat_template", None) or "")
    return SeenRow(
        text,
        tokens,
        [str(tokenizer.decode([token])) for token in tokens[:MOST_TOKENS]],
        learnt,
        tuple(sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True)),
        "enable_thinking" in template,
    )


def text_pieces(seen: SeenRow) -> list[Piece]:
    """The text with every special token set off."""
    if not seen.special:
        return [Piece(words.literal(seen.text))]
    pattern = re.compile("(" + "|".join(map(re.escape, seen.special)) + ")")
    return [
        Piece(words.literal(part), "accent", "accent_soft", bold=True)
        if place % 2
        else Piece(words.literal(part))
        for place, part in enumerate(pattern.split(seen.text))
        if part
    ]


def token_pieces(seen: SeenRow) -> list[Piece]:
    """Token by token on changing ground; what is learnt is green, the number of a token its tip."""
    pieces = list(_tokens(seen))
    left = len(seen.tokens) - len(seen.names)
    return [*pieces, Piece(f"\n… and {left:,} more tokens", "secondary")] if left else pieces


def _tokens(seen: SeenRow) -> Iterator[Piece]:
    for place, (token, name, learnt) in enumerate(zip(seen.tokens, seen.names, seen.learnt, strict=False)):
        special = name in seen.special
        ground = "good_soft" if learnt else "accent_soft" if special else "border"
        tone = "accent" if special else "good" if learnt else "text"
        # Every other token keeps the page's ground, so that two of them never run together.
        shown = words.literal(name).replace("\n", "⏎\n") or "·"
        yield Piece(shown, tone, ground if special or learnt or place % 2 else "", special, f"token {token}")


def field_pieces(fields: Sequence[tuple[str, str]]) -> list[Piece]:
    """The fields of a row, each under its name."""
    pieces: list[Piece] = []
    for name, value in fields:
        pieces += [
            Piece(words.literal(name) + "\n", "accent", bold=True),
            Piece(words.literal(value) + "\n\n"),
        ]
    return pieces


def work_for(row: Row, number: int, look: Look, engine: EngineDoor) -> Callable[[Any, Watch], SeenRow]:
    """The work for the tokenizer's thread: row `number` as a run would put it before the model, in its environment where
    it has one. It raises `UserError` where the template refuses the row, or the environment cannot be used."""

    def see(tokenizer: Any, watch: Watch) -> SeenRow:
        look.require_whole()
        if look.config is not None:
            return named(engine.opening(look.config, tokenizer, row, number, watch), tokenizer)
        return named(seen_row(tokenizer, row, look.options, look.method), tokenizer)

    return see
