"""How well a teacher does on the held-out rows: a student cannot learn from one that knows less than it does."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

from droid_tune.config.recipes.teaching_methods import ShownConfig
from droid_tune.model.reference import as_reference
from droid_tune.train.evaluate import Evaluated, evaluate_rows
from droid_tune.train.exploring.score import Scorer
from droid_tune.train.learners.teaching.richer_prompts import solution_in_view
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession


def with_teacher(
    found: Evaluated, session: TrainingSession, scorer: Scorer, method: ShownConfig
) -> Evaluated:
    """The evaluation with `eval/teacher_accuracy`: greedy answers of the teacher, the solutions in its view."""
    rows = _with_solutions(session, method, found.rows)
    if not rows:
        return found
    with as_reference(session.policy) if method.needs_reference else nullcontext():
        teacher = evaluate_rows(session, scorer, 0, rows)
    named = {
        name.replace("eval/", "eval/teacher_", 1): value
        for name, value in teacher.items()
        if name in ("eval/accuracy", "eval/reward")
    }
    return replace(found, metrics=found.metrics | named)


def _with_solutions(session: TrainingSession, method: ShownConfig, count: int) -> list[PromptRow]:
    """Held-out rows as the teacher reads them; without those that hold nothing for it."""
    rows = session.held_out_prompts(count)
    richer = [(row, solution_in_view(row, session.reader, method)) for row in rows]
    return [replace(row, tokens=one.tokens) for row, one in richer if one.teaches]
