"""What rendering takes and gives: options in; prompts, examples and notes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from droid_tune.data.formats.parts.messages import Message
from droid_tune.names import Thinking

if TYPE_CHECKING:
    from droid_tune.config.model_and_data import DataConfig


class Tokenizer(Protocol):
    """What we ask of a tokenizer."""

    @property
    def eos_token_id(self) -> int | None: ...
    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...
    def apply_chat_template(self, conversation: list[Message], **options: Any) -> Any: ...


@dataclass(frozen=True)
class TemplateOptions:
    """`system_prompt` stands before every row that has no system text; `thinking` for templates that can switch it;
    `tools` are shown with every row that brings none; `date` is the day that a template with a date tells, empty today."""

    system_prompt: str = ""
    thinking: Thinking = "template"
    tools: tuple[dict[str, Any], ...] = ()
    date: str = ""

    @staticmethod
    def of(data: DataConfig, tools: Sequence[dict[str, Any]] = ()) -> TemplateOptions:
        """What a run's settings say."""
        return TemplateOptions(data.system_prompt, data.thinking, tuple(tools), data.template_date)


DEFAULT = TemplateOptions()


@dataclass(frozen=True)
class Note:
    """What was read otherwise than it stands, or not used. Equal codes are one kind, told once with its share."""

    code: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model sees it; `ends` is what stands behind the last turn that is read (`<think>` may be open)."""

    text: str
    tokens: list[int]
    ends: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Example:
    """One training sequence; `answer_mask[i]` is True where token i is the answer's and is learnt."""

    text: str
    tokens: list[int]
    answer_mask: list[bool]
    notes: tuple[Note, ...] = ()

    @property
    def start(self) -> int:
        """Where learning begins: everything before that token is only read."""
        return learning_start(self.answer_mask)

    @staticmethod
    def joined(parts: list[Example]) -> Example:
        """Sequences of one row, one after the other: for showing them together."""
        if len(parts) == 1:
            return parts[0]
        return Example(
            "".join(part.text for part in parts),
            [token for part in parts for token in part.tokens],
            [learnt for part in parts for learnt in part.answer_mask],
            tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )


def learning_start(learn: Sequence[bool]) -> int:
    """The first token that is learnt, of a sequence (the very first never is); its last where none is."""
    return max(1, learn.index(True)) if any(learn[1:]) else len(learn) - 1
