"""What a written model is asked, and what a model said: plain data that goes to another process and back as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: tokens of an answer that are compared at most
MOST_TOKENS = 256


@dataclass(frozen=True)
class ExamQuestion:
    """A held-out row's prompt as text and as the run's own tokens, and the tokens that the run's model answers greedily
    (its end included where it came to one)."""

    text: str
    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True)
class ExamTurns:
    """A conversation, and how the run's chat template renders it with the answer next; None where there is no template."""

    turns: list[dict[str, str]]
    rendered: str | None


@dataclass(frozen=True)
class Exam:
    """Everything that is asked. An answer may take `most_tokens`; `ends` are the tokens that end one."""

    questions: tuple[ExamQuestion, ...]
    conversations: tuple[ExamTurns, ...]
    ends: tuple[int, ...]
    most_tokens: int

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Exam:
        """The inverse of `to_json`."""
        return Exam(
            tuple(ExamQuestion(**one) for one in values["questions"]),
            tuple(ExamTurns(**one) for one in values["conversations"]),
            tuple(values["ends"]),
            int(values["most_tokens"]),
        )


@dataclass(frozen=True)
class Sitting:
    """What one model said to an exam, question by question.

    `likeliest` and `logprobs` (natural) belong to the tokens of the given answers, each behind the right tokens before
    it; a program that tells no probabilities leaves `logprobs` empty. `own` is what the model answers by itself, and
    `encoded` what its tokenizer makes of the prompts' texts. None stands for what could not be asked.
    """

    likeliest: list[list[int]]
    logprobs: list[list[float | None]]
    own: list[str]
    ended: list[bool]
    encoded: list[list[int]] | None
    rendered: list[str | None] | None
    ends: list[int] | None

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Sitting:
        """The inverse of `to_json`."""
        return Sitting(**values)
