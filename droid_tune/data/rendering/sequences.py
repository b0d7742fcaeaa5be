"""Training sequences of a row: one where the conversation grows turn by turn, else one for each answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.conversation import Conversation
from droid_tune.data.rendering.encoding import encode
from droid_tune.data.rendering.shapes import Example, Note, Prompt, TemplateOptions, Tokenizer
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.rendering.turns import RowTurns, row_turns
from droid_tune.errors import UserError


@dataclass(frozen=True)
class Sequence:
    """A rendered text, and where its answers lie (start and end, end token included)."""

    text: str
    answers: list[tuple[int, int]]


def examples_of(
    tokenizer: Tokenizer, row: Row, options: TemplateOptions, *, answers_only: bool
) -> list[Example]:
    """The row's training sequences behind the model's template. Raises `UserError` where it cannot show the row."""
    conversation = Conversation(
        ChatTemplate.of(tokenizer), row, row_turns(row, options.system_prompt), options
    )
    sequences = _sequences(conversation)
    if not answers_only:
        sequences = sequences[-1:]
    elif len(sequences) > 1:
        conversation.tell(_SPLIT)
    conversation.check_read(sequences[-1].text, len(conversation.turns[: conversation.to_learn()[-1]]))
    made = [_example(tokenizer, conversation, one, answers_only=answers_only) for one in sequences]
    notes = tuple(conversation.notes.values())
    return [replace(one, notes=notes) for one in made]


_SPLIT = Note(
    "turn_by_turn",
    "The template renders earlier turns otherwise once others follow: each answer is learnt behind the prompt that the "
    "model sees when it answers, in a sequence of its own.",
)


def _sequences(conversation: Conversation) -> list[Sequence]:
    """Each answer behind its own prompt; in one sequence as long as the next prompt goes on where the last ended."""
    sequences: list[Sequence] = []
    for place in conversation.to_learn():
        prompt, answer = conversation.answer(place)
        span = (len(prompt), len(prompt) + len(answer))
        if sequences and prompt.startswith(sequences[-1].text):
            sequences[-1] = Sequence(prompt + answer, [*sequences[-1].answers, span])
        else:
            sequences.append(Sequence(prompt + answer, [span]))
    return sequences


def _example(
    tokenizer: Tokenizer, conversation: Conversation, sequence: Sequence, *, answers_only: bool
) -> Example:
    marks = [place for span in sequence.answers for place in span]
    text, marks, literal = conversation.guard.show(sequence.text, marks)
    if literal:
        conversation.tell(written_control(text, literal))
    found = encode(tokenizer, text, marks, literal=literal, controls=conversation.template.mark_ids)
    spans = list(zip(marks[::2], marks[1::2], strict=True))
    learnt = [any(start <= at < end for start, end in spans) for at, _ in found.spans]
    return Example(text, found.tokens, learnt if answers_only else [True] * len(learnt))


def written_control(text: str, literal: list[tuple[int, int]]) -> Note:
    start, end = literal[0]
    return Note("control_text", f"`{text[start:end]}` in a row's text is read as text, not as the token.")


def prompt_of(tokenizer: Tokenizer, row: Row, options: TemplateOptions) -> Prompt:
    """The row's prompt behind the model's template, an answer's beginning at its end not closed."""
    turns = row_turns(
        {key: row[key] for key in row if key not in ("messages", "completion", "answer")},
        options.system_prompt,
    )
    asked = turns.turns
    begun = str(asked[-1]["content"]) if asked and asked[-1]["role"] == "assistant" else ""
    if begun:
        asked = asked[:-1]
    if not asked:
        raise UserError(
            "The row asks nothing before the model's turn", remedy="add a user's turn, or remove the row"
        )
    conversation = Conversation(ChatTemplate.of(tokenizer), row, RowTurns(asked), options)
    hidden = conversation.prompt(len(asked), conversation.guard.hide(begun))
    conversation.check_read(hidden, len(asked))
    said = str(conversation.turns[-1]["content"]).strip()
    behind = hidden.rpartition(said)[2] if said else hidden[-200:]
    text, _, literal = conversation.guard.show(hidden, [])
    if literal:
        conversation.tell(written_control(text, literal))
    tokens = encode(tokenizer, text, literal=literal, controls=conversation.template.mark_ids).tokens
    ends = conversation.guard.show(behind, [])[0]
    return Prompt(text, tokens, ends, tuple(conversation.notes.values()))
