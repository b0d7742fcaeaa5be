"""What a self-teacher reads beside the prompt: the row's solution, a sibling's success, or what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from droid_tune.config.recipes.teaching_methods import SDPOConfig, ShownConfig
from droid_tune.data.formats.parts.answers import answer_text
from droid_tune.methods.distillation.demonstrations import ShowingRules, Shown, shown_to_teachers, succeeds
from droid_tune.methods.losses import settings_of
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.rows.row_reader import PromptRow, RowReader
from droid_tune.words import filled


@dataclass(frozen=True)
class RicherPrompt:
    """The tokens of what one completion's teacher reads; `teaches` is False where it knows no more than the student."""

    tokens: list[int]
    teaches: bool


def solution_in_view(row: PromptRow, reader: RowReader, method: ShownConfig) -> RicherPrompt:
    """The prompt with the row's solution; the prompt as it is where there is none, or it does not fit."""
    context = shown_text(row.fields, method.context_field)
    if not context:
        return RicherPrompt(row.tokens, teaches=False)
    text = filled(method.teacher_template, prompt=row.text, context=context)
    return _read(row, reader, text)


def shown_text(fields: dict[str, Any], column: str) -> str:
    """What a row holds for its teacher, as text: the named column, else the answer to imitate, else the right answer."""
    value = fields.get(column) if column else fields.get("completion", fields.get("answer"))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join(str(turn.get("content", "")) for turn in value)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    return answer_text(value) or ""


def lessons_of_the_group(batch: Batch, reader: RowReader, method: SDPOConfig) -> list[RicherPrompt]:
    """What SDPO's teachers read (N): a successful sibling and feedback, by the rules of the method."""
    size, rollout = batch.rollout.group_size, batch.rollout
    rewards = np.nan_to_num(batch.totals, nan=-np.inf).tolist()
    feedbacks = [
        None
        if succeeds(reward, method.success_reward_threshold)
        else feedback_on(batch.rows[place // size], method)
        for place, reward in enumerate(rewards)
    ]
    shown = shown_to_teachers(rewards, size, feedbacks, settings_of(ShowingRules, method))
    return [
        _of_sdpo(one, batch.rows[place // size], rollout.texts, reader, method)
        for place, one in enumerate(shown)
    ]


def feedback_on(row: PromptRow, method: SDPOConfig) -> str | None:
    """What is told of an answer that failed: the row's own word, or what would have been right."""
    if method.feedback_field:
        return answer_text(row.fields.get(method.feedback_field))
    return f"the right answer is {row.answer}." if row.answer else None


def _of_sdpo(
    shown: Shown, row: PromptRow, texts: Sequence[str], reader: RowReader, method: SDPOConfig
) -> RicherPrompt:
    if not shown.teaches:
        return RicherPrompt(row.tokens, teaches=False)
    seen = "" if shown.demonstration is None else f"\n\nA correct answer:\n{texts[shown.demonstration]}"
    told = "" if shown.feedback is None else f"\n\nAn earlier answer of yours was wrong: {shown.feedback}"
    return _read(
        row, reader, filled(method.teacher_template, prompt=row.text, demonstration=seen, feedback=told)
    )


def _read(row: PromptRow, reader: RowReader, text: str) -> RicherPrompt:
    tokens = reader.reworded(row, text)
    return RicherPrompt(row.tokens, teaches=False) if tokens is None else RicherPrompt(tokens, teaches=True)
