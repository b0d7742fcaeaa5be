"""From a row to the tokens that the model sees: chat template, system prompt, thinking switch, and what is learnt.

The tokenizer is passed in (a Hugging Face one, or mlx-lm's wrapper around it); nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.messages import Message, plain_messages
from droid_tune.errors import UserError
from droid_tune.names import Thinking


class Tokenizer(Protocol):
    """What we ask of a tokenizer."""

    @property
    def eos_token_id(self) -> int | None: ...
    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...
    def apply_chat_template(self, conversation: list[Message], **options: Any) -> Any: ...


@dataclass(frozen=True)
class TemplateOptions:
    """`system_prompt` stands before every row that has no system text; `thinking` for templates that can switch it."""

    system_prompt: str = ""
    thinking: Thinking = "template"


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model sees it."""

    text: str
    tokens: list[int]


@dataclass(frozen=True)
class Example:
    """A whole example; `answer_mask[i]` is True where token i is the answer's and is learnt."""

    text: str
    tokens: list[int]
    answer_mask: list[bool]


DEFAULT = TemplateOptions()


def has_chat_template(tokenizer: Any) -> bool:
    """Whether messages can be rendered; without a template a prompt is plain text."""
    flag = getattr(tokenizer, "has_chat_template", None)
    return bool(flag) if flag is not None else bool(getattr(tokenizer, "chat_template", None))


def prompt_messages(row: Row, options: TemplateOptions = DEFAULT) -> list[Message]:
    """The turns up to where the model answers: system text, then the prompt's own turns."""
    prompt = row["prompt"]
    messages = plain_messages(prompt) if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    return _with_system(messages, row, options)


def _with_system(messages: list[Message], row: Row, options: TemplateOptions) -> list[Message]:
    if messages and messages[0]["role"] in ("system", "developer"):
        return messages
    system = row.get("system") or options.system_prompt
    return [{"role": "system", "content": system}, *messages] if system else messages


def prompt_text(row: Row) -> str:
    """What is asked, in short: the prompt, or the last turn of the user's."""
    prompt = row.get("prompt", row.get("text", ""))
    if not isinstance(prompt, list):
        return str(prompt)
    turns = plain_messages(cast("list[Message]", prompt))
    asked = [turn["content"] for turn in turns if turn["role"] == "user"]
    return str(asked[-1] if asked else turns[-1]["content"] if turns else "")


def render_prompt(tokenizer: Tokenizer, row: Row, options: TemplateOptions = DEFAULT) -> Prompt:
    """The prompt up to the place where the model begins to answer. Raises `UserError` when the template refuses it."""
    messages = prompt_messages(row, options)
    if not has_chat_template(tokenizer):
        text = _plain_prompt(messages)
        return Prompt(text, list(tokenizer.encode(text)))
    text = _render(tokenizer, messages, row, options, answer_next=True)
    return Prompt(text, _encode(tokenizer, text))


def render_example(
    tokenizer: Tokenizer, row: Row, options: TemplateOptions = DEFAULT, *, answers_only: bool = True
) -> Example:
    """A whole example for supervised learning: every assistant turn is answer, or everything without `answers_only`.

    Prompt and answer are encoded apart, as they are when the model answers a prompt, so that the boundary falls
    between two tokens; each answer ends with the end-of-turn token, which is learnt as well.
    """
    if "text" in row and "prompt" not in row:
        pieces = [(str(row["text"]), True)]
        return _example(tokenizer, pieces, add_start=True, answers_only=False)
    messages = _conversation(row, options)
    if not has_chat_template(tokenizer):
        pieces = [(_plain_prompt(messages[:-1]), False), (str(messages[-1]["content"]), True)]
        return _example(tokenizer, pieces, add_start=True, answers_only=answers_only)
    pieces = _pieces(tokenizer, messages, row, options)
    return _example(tokenizer, pieces, add_start=False, answers_only=answers_only)


def _conversation(row: Row, options: TemplateOptions) -> list[Message]:
    if "messages" in row:
        return _with_system(list(row["messages"]), row, options)
    if isinstance(row.get("completion"), list):
        return [*prompt_messages(row, options), *row["completion"]]
    return [*prompt_messages(row, options), {"role": "assistant", "content": row["answer"]}]


def _plain_prompt(messages: Sequence[Message]) -> str:
    """For models without a template: the texts, a blank line between them."""
    return "\n\n".join(str(turn["content"]) for turn in messages if turn["content"])


def _pieces(
    tokenizer: Tokenizer, messages: list[Message], row: Row, options: TemplateOptions
) -> list[tuple[str, bool]]:
    """The rendered conversation cut where answers begin and end: `(text, is_answer)`."""
    whole = _render(tokenizer, messages, row, options, answer_next=False)
    pieces: list[tuple[str, bool]] = []
    position = 0
    for place, turn in enumerate(messages):
        if turn["role"] != "assistant":
            continue
        start, end = _answer_span(tokenizer, messages, place, row, options, whole, position)
        pieces += [(whole[position:start], False), (whole[start:end], True)]
        position = end
    return [*pieces, (whole[position:], False)]


def _answer_span(
    tokenizer: Tokenizer,
    messages: list[Message],
    place: int,
    row: Row,
    options: TemplateOptions,
    whole: str,
    position: int,
) -> tuple[int, int]:
    """Where an assistant turn lies in the rendered conversation, its end-of-turn token included.

    Templates may render a turn differently once others follow (thoughts of earlier turns are left out), so the turn
    is looked for by the text before it when that still holds, and by its own content when not.
    """
    before = _render(tokenizer, messages[:place], row, options, answer_next=True)
    content = str(messages[place]["content"])
    start = len(before) if whole.startswith(before) and len(before) >= position else -1
    if start < 0 and place:
        # Answers are often words of the question: look behind it.
        asked = str(messages[place - 1]["content"]).strip()
        position = max(position, whole.find(asked, position) + len(asked))
    found = whole.find(content, max(start, position))
    if found < 0:
        # The template trims contents.
        content = content.strip()
        found = whole.find(content, max(start, position))
    if found < 0:
        raise UserError(
            "The chat template leaves out an answer of this conversation",
            value=content,
            remedy="choose another model, or another thinking setting",
        )
    end = found + len(content)
    return (start if start >= 0 else found), _after_end_token(tokenizer, whole, end)


def _after_end_token(tokenizer: Any, whole: str, end: int) -> int:
    """The place after the end token that follows an answer, else `end` itself."""
    token = getattr(tokenizer, "eos_token", None)
    if token:
        rest = whole[end:]
        gap = len(rest) - len(rest.lstrip())
        if rest[gap:].startswith(token):
            return end + gap + len(token)
    return end


def _example(
    tokenizer: Tokenizer, pieces: list[tuple[str, bool]], *, add_start: bool, answers_only: bool
) -> Example:
    tokens: list[int] = []
    mask: list[bool] = []
    for text, is_answer in pieces:
        if not text:
            continue
        if add_start and not tokens:
            piece = list(tokenizer.encode(text))
            # Some tokenizers close every text; an example is closed once, below.
            piece = piece[:-1] if piece and piece[-1] == tokenizer.eos_token_id else piece
        else:
            piece = _encode(tokenizer, text)
        tokens += piece
        mask += [is_answer or not answers_only] * len(piece)
    # What the template puts after the last answer (a line feed) is never generated and never learnt.
    last = max((place for place, learnt in enumerate(mask) if learnt), default=-1)
    end = tokenizer.eos_token_id
    if end is not None and last >= 0 and tokens[last] != end and end not in tokens[last:]:
        tokens, mask = [*tokens[: last + 1], end], [*mask[: last + 1], True]
    elif last >= 0 and answers_only:
        tokens, mask = tokens[: last + 1], mask[: last + 1]
    return Example("".join(text for text, _ in pieces), tokens, mask)


def _render(
    tokenizer: Tokenizer, messages: list[Message], row: Row, options: TemplateOptions, *, answer_next: bool
) -> str:
    switches: dict[str, Any] = {}
    if options.thinking != "template":
        switches["enable_thinking"] = options.thinking == "on"
    if row.get("tools"):
        switches["tools"] = row["tools"]
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=answer_next, **switches
            )
        )
    except Exception as error:
        # A template is a program of the model's; whatever it raises is its refusal of these turns.
        raise UserError(
            f"The model's chat template refuses the row: {error}",
            remedy="change the roles or their order, or choose another model",
        ) from error


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


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
