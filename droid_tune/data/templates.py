"""From a row to the tokens that the model sees: the door to `data.rendering`.

The tokenizer is passed in (a Hugging Face one, or mlx-lm's wrapper around it); nothing heavy is imported here. An
assistant turn is what the model's template adds behind its own generation prompt, up to and with the token with which
it ends a turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.plain import closed, plain_examples, plain_prompt
from droid_tune.data.rendering.sequences import examples_of, prompt_of
from droid_tune.data.rendering.shapes import (
    DEFAULT,
    Example,
    Note,
    Prompt,
    TemplateOptions,
    Tokenizer,
)
from droid_tune.data.rendering.templates.chat_template import has_chat_template
from droid_tune.data.rendering.turns import prompt_text, turns_of
from droid_tune.errors import UserError


def render_prompt(tokenizer: Tokenizer, row: Row, options: TemplateOptions = DEFAULT) -> Prompt:
    """The prompt up to the place where the model begins (or goes on) to answer. Raises `UserError` when the template
    refuses it."""
    make = prompt_of if has_chat_template(tokenizer) else plain_prompt
    return make(tokenizer, row, options)


def render_examples(
    tokenizer: Tokenizer, row: Row, options: TemplateOptions = DEFAULT, *, answers_only: bool = True
) -> list[Example]:
    """The row's sequences for supervised learning: every assistant turn is answer, or everything without
    `answers_only`. Raises `UserError` when the template refuses the row or there is nothing to learn.

    Most rows are one sequence. Where a template renders a turn otherwise once others follow (thoughts of earlier
    turns are taken out, the system text moves to the last user's turn), each answer is learnt behind the prompt that
    the model sees when it answers, in a sequence of its own.
    """
    if "text" in row and "prompt" not in row:
        return [closed(tokenizer, "", str(row["text"]), answers_only=False)]
    make = examples_of if has_chat_template(tokenizer) else plain_examples
    return make(tokenizer, row, options, answers_only=answers_only)


def render_example(
    tokenizer: Tokenizer, row: Row, options: TemplateOptions = DEFAULT, *, answers_only: bool = True
) -> Example:
    """The row's sequences one after the other, for looking at them."""
    return Example.joined(render_examples(tokenizer, row, options, answers_only=answers_only))


def check_length(tokens: Sequence[int], limit: int, place: str, *, room: int = 0) -> None:
    """Raise `UserError` naming the row when its prompt leaves no `room` for an answer within the context."""
    if len(tokens) + room > limit:
        said = f"The prompt has {len(tokens):,} tokens"
        wanted = f", with {room:,} for the answer more than" if room else ", more than"
        raise UserError(
            f"{said}{wanted} the {limit:,} that fit",
            place=place,
            remedy="shorten or remove the row, or raise `max_seq_length`",
        )


__all__ = [
    "DEFAULT",
    "Example",
    "Note",
    "Prompt",
    "TemplateOptions",
    "check_length",
    "has_chat_template",
    "prompt_text",
    "render_example",
    "render_examples",
    "render_prompt",
    "turns_of",
]
