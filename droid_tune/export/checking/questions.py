"""What a written model is asked: the run's held-out rows, and what the run's own model answers to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from droid_tune.config import RunConfig
from droid_tune.config.rewards import AccuracyReward
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import open_configured
from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.templates.chat_template import has_chat_template
from droid_tune.errors import UserError
from droid_tune.export.checking.comparison import CountedShare
from droid_tune.export.checking.exam import MOST_TOKENS, Exam, ExamQuestion, ExamTurns, Sitting
from droid_tune.export.checking.sitting_mlx import likeliest_next, own_answer, render, sit
from droid_tune.model.policy import Policy
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.train.rows.row_reader import PromptRow, RowReader

#: what is asked where the run's data is no more, or has no row that can be asked
PROMPTS = (
    "The capital of France is",
    "What is 7 + 5?",
    "Write one sentence about the sea.",
    "List three colours.",
    "Once upon a time",
    "Explain in two sentences why the sky is blue.",
    "Is 17 a prime number?",
    "Say hello in Spanish.",
)
CONVERSATIONS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": "What is 7 + 5?"}],
    [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How can I help?"},
        {"role": "user", "content": "Say it in Spanish."},
    ],
)


@dataclass(frozen=True)
class AskedRows:
    """The rows behind an exam's questions; `held_out` unless they are the prompts above."""

    rows: list[PromptRow]
    held_out: bool


def asked_rows(config: RunConfig, policy: Policy, count: int, watch: Watch = UNWATCHED) -> AskedRows:
    """The first `count` held-out rows that can be asked, else some prompts of our own."""
    reader = RowReader(policy.tokenizer, config, policy.context_length, policy.embedding_rows)
    rows: list[PromptRow] = []
    with suppress(UserError):  # data that is gone by now does not keep anyone from taking the result along
        dataset = open_configured(config.data, config.method.type, Watch(should_stop=watch.should_stop))
        for number in range(len(dataset.valid)):
            if len(rows) == count:
                break
            with suppress(UserError):
                rows.append(_row(reader, policy.tokenizer, number, dataset.valid.row(number)))
    if rows:
        return AskedRows(rows, held_out=True)
    ours: list[Row] = [{"prompt": text} for text in PROMPTS[:count]]
    return AskedRows(
        [_row(reader, policy.tokenizer, number, row) for number, row in enumerate(ours)], held_out=False
    )


def _row(reader: RowReader, tokenizer: Any, number: int, row: Row) -> PromptRow:
    """A row to be gone on with: behind its prompt, or in the middle of a plain text."""
    if "prompt" in row:
        return reader.prompt(number, row)
    text = str(row.get("text", ""))
    begun = text[: max(1, len(text) // 2)]
    return PromptRow(number, begun, None, list(tokenizer.encode(begun)), row)


def set_exam(config: RunConfig, policy: Policy, asked: AskedRows, watch: Watch = UNWATCHED) -> Exam:
    """Questions with the greedy answers of the run's model. Raises `Stopped`."""
    most = min(MOST_TOKENS, config.sampling.max_completion_length)
    ends = tuple(sorted(policy.stop_tokens))
    questions: list[ExamQuestion] = []
    for number, prompt in enumerate(row.tokens for row in asked.rows):
        watch.tell(number, len(asked.rows), "asking the run's model")
        tokens, ended = own_answer(policy.model, policy.tokenizer, prompt, most, watch)
        end = [likeliest_next(policy.model, [*prompt, *tokens])] if ended else []
        questions.append(ExamQuestion(policy.tokenizer.decode(prompt), prompt, [*tokens, *end]))
    return Exam(tuple(questions), _conversations(policy.tokenizer), ends, most)


def _conversations(tokenizer: Any) -> tuple[ExamTurns, ...]:
    if not has_chat_template(tokenizer):
        return (ExamTurns(CONVERSATIONS[0], None),)
    plain = [ExamTurns(turns, None) for turns in CONVERSATIONS]
    rendered = [replace(one, rendered=render(tokenizer, one)) for one in plain]
    return tuple(one for one in rendered if one.rendered is not None)


def sit_here(policy: Policy, exam: Exam, watch: Watch = UNWATCHED) -> Sitting:
    """What the run's own model says. Raises `Stopped`."""
    return replace(sit(policy.model, policy.tokenizer, exam, watch), ends=list(exam.ends))


def accuracy_of(config: RunConfig, rows: Sequence[PromptRow], sitting: Sitting) -> CountedShare | None:
    """How many of a model's own answers are right, by the run's accuracy reward, else by equal values; None where no
    row says what is right."""
    given = [reward for reward in config.rewards if isinstance(reward, AccuracyReward)]
    accuracy = Accuracy(given[0] if given else AccuracyReward(math=False))
    samples = [
        Sample(
            row.text,
            text,
            row.fields,
            finish_reason="stop" if ended else "length",
            prompt_ends=row.prompt_ends,
        )
        for row, text, ended in zip(rows, sitting.own, sitting.ended, strict=True)
    ]
    try:
        found = [number_of(one) for one in accuracy.score(samples)]
    finally:
        accuracy.close()
    verdicts = [one for one in found if one is not None]
    return CountedShare(sum(verdicts), len(verdicts)) if verdicts else None
