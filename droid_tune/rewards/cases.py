"""Pairs of an answer and a completion scored one by one, with the reason for each number: a reward checked by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.rewards.combine import RewardScores
from droid_tune.rewards.reasoning_gym import why_no_answer
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.trials.reward_source import rewards_in
from droid_tune.rewards.trials.trial import or_none, why_of
from droid_tune.word_split import words

_OWN_KEYS = ("completion", "prompt", "prompt_ends", "finish_reason", "finish", "expect")
_FINISH_REASONS = ("stop", "length")


@dataclass(frozen=True)
class Case:
    """One completion, and the row that it answers."""

    completion: str
    row: Mapping[str, Any]
    prompt: str = ""
    prompt_ends: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True)
class JudgedCase:
    """A case with its reward, None where none applied or one failed, and why."""

    answer: str
    completion: str
    reward: float | None
    why: str
    failed: bool = False

    def as_json(self) -> dict[str, Any]:
        """What the command prints of it."""
        return {"reward": self.reward, "why": self.why}


def read_cases(path: Path) -> list[Case]:
    """The cases of a file of JSON lines. Raises UserError with the line where one is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The cases cannot be read: {error}", place=str(path), remedy="give a file of JSON lines"
        ) from None
    return [read_case(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def read_case(line: str, place: str) -> Case:
    """One line of a file of cases. Every key that is not the case's own is a column of its row."""
    remedy = 'write {"answer": "4", "completion": "It is 4."}, a line each'
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"The line is no JSON: {error}", place=place, remedy=remedy) from None
    if not isinstance(value, dict):
        raise UserError("The line is no JSON object", place=place, remedy=remedy)
    facts: dict[str, Any] = value
    texts = {name: facts.get(name) or "" for name in ("completion", "prompt", "prompt_ends")}
    reason = facts.get("finish_reason") or facts.get("finish") or "stop"
    wrong = next((name for name, text in texts.items() if not isinstance(text, str)), None)
    if "completion" not in facts or wrong is not None:
        raise UserError(f"`{wrong or 'completion'}` is no text", place=place, remedy=remedy)
    if reason not in _FINISH_REASONS:
        raise UserError(
            "`finish_reason` is neither stop nor length", value=str(reason), place=place, remedy=remedy
        )
    row = {name: column for name, column in facts.items() if name not in _OWN_KEYS or name == "prompt"}
    return Case(row=row, finish_reason=reason, **texts)


def score_cases(reward: Path, cases: Sequence[Case], *, function: str = "") -> list[JudgedCase]:
    """Every case judged by a built-in reward of that name, a Python file or the rewards of a config.

    Lengths are counted in words. Raises UserError where the reward cannot be made.
    """
    configs, longest = rewards_in(reward, function)
    with build_rewards(configs, max_completion_length=longest, folder=Path.cwd(), tolerant=True) as rewards:
        scores = rewards.score(
            [case.prompt for case in cases],
            [case.completion for case in cases],
            [case.row for case in cases],
            [len(words(case.completion)) for case in cases],
            [case.finish_reason for case in cases],
            prompt_ends=[case.prompt_ends for case in cases],
        )
    return [judged_case(case, scores, index) for index, case in enumerate(cases)]


def judged_case(case: Case, scores: RewardScores, index: int) -> JudgedCase:
    """The total of one case, and what its rewards said about it."""
    why = why_of(scores, index)
    reward = or_none(scores.totals[index])
    if reward is None and not why:
        missing = "the row has no `answer`" if "answer" not in case.row else "each of them gave None"
        why = why_no_answer(case.row) or f"no reward applies: {missing}"
    return JudgedCase(
        answer=str(case.row.get("answer", "")),
        completion=case.completion,
        reward=reward,
        why=why,
        failed=bool(scores.failed[index]),
    )
