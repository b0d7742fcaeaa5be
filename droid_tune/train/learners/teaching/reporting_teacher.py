"""A teacher on a server that reports log-probabilities of a prompt's tokens, as vLLM's `prompt_logprobs` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.errors import AbsentTeacherError, UserError
from droid_tune.methods.distillation.teacher_reports import TeacherReports
from droid_tune.model.gradients.head import Measure
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.rewards.judges.endpoint import Endpoint, EndpointError
from droid_tune.rewards.judges.in_flight import answers
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]

#: requests under way at a time; the most that one reply may hold
TOGETHER, LONGEST_REPLY_BYTES = 8, 256 * 1024 * 1024


@dataclass(frozen=True)
class ReportingTeacher:
    """Asks for each row once; the student's and the teacher's tokens must be the same."""

    endpoint: Endpoint
    session: TrainingSession
    method: TeacherConfig

    @classmethod
    def of(cls, url: str, session: TrainingSession, method: TeacherConfig) -> ReportingTeacher:
        """Raises UserError for settings that a report cannot serve."""
        if session.config.sampling.temperature != 1:
            raise UserError(
                "A server reports its teacher's probabilities at temperature 1",
                value=str(session.config.sampling.temperature),
                place="sampling.temperature",
                remedy="set it to 1, or take a teacher from the disk",
            )
        return cls(Endpoint(url, method.teacher_model, place="method.teachers"), session, method)

    def measure(self, rows: ScoringRows) -> Measure:
        """On what is reported of each token."""
        count = self.method.distillation_topk
        reports, slots = self._reports(rows, count)
        best = [sorted(one.items(), key=lambda pair: -pair[1])[:count] for one, _ in reports]
        width = min((len(one) for one in best), default=1)
        table = np.array([one[:width] for one in best], np.float64).reshape(-1, width, 2)
        sampled = np.array([token for _, token in reports], np.int64)
        return TeacherReports(
            table[:, :, 0].astype(np.int64),
            table[:, :, 1],
            sampled,
            np.array([one[token] for one, token in reports]),
            slots,
            beta=self.method.distillation_alpha,
            tail=self.method.distillation_add_tail or self.method.distillation_alpha > 0,
        )

    def logprobs(self, rows: ScoringRows) -> Floats:
        """The sampled tokens' (N, T)."""
        reports, slots = self._reports(rows, 1)
        values = np.array([one[token] for one, token in reports] or [0.0])
        return np.where(slots >= 0, values[slots.clip(0)], 0.0).astype(np.float32)

    def _reports(
        self, rows: ScoringRows, count: int
    ) -> tuple[list[tuple[dict[int, float], int]], NDArray[np.int64]]:
        """Of each scored token what is reported and which it is, row by row; and where each lies (N, T), -1 nowhere."""
        slots, found = np.full(rows.tokens.shape, -1), []
        told = answers(
            range(len(rows)),
            lambda row: self._ask(rows, row, count),
            at_once=TOGETHER,
            watch=self.session.stopping,
            suspended=self.endpoint.awake_again,
        )
        for row, answer in enumerate(told):
            for column in np.flatnonzero(rows.completion_mask[row] > 0):
                slots[row, column] = len(found)
                found.append((answer[column], int(rows.tokens[row, column])))
        return found, slots

    def _ask(self, rows: ScoringRows, row: int, count: int) -> list[dict[int, float]]:
        """What is reported of each token of a row's completion. Raises UserError where the server says something else."""
        prompt = list(rows.prompts[int(rows.prompt_index[row])])
        length = int(np.flatnonzero(rows.completion_mask[row] > 0).max(initial=-1)) + 1
        if not length:
            return []
        tokens = [*prompt, *rows.tokens[row, :length].tolist()]
        body = {
            "model": self.method.teacher_model,
            "prompt": tokens,
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": count,
        }
        try:
            return reported(self.endpoint.ask("/completions", body, LONGEST_REPLY_BYTES), tokens)[
                len(prompt) :
            ]
        except EndpointError as error:
            raise AbsentTeacherError(
                f"The teacher {error}",
                place="method.teachers",
                remedy="the server must report `prompt_logprobs`, as vLLM does",
            ) from error


def reported(body: bytes, tokens: list[int]) -> list[dict[int, float]]:
    """Log-probabilities by token id at each position of a prompt. Raises EndpointError for anything else."""
    try:
        choice: Mapping[str, Any] = json.loads(body)["choices"][0]
        found = [_position(one) for one in choice["prompt_logprobs"]]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise EndpointError("answered without log-probabilities of the prompt") from None
    if len(found) != len(tokens) or any(
        token not in one for one, token in zip(found[1:], tokens[1:], strict=True)
    ):
        raise EndpointError("reported other tokens than it was sent: its tokenizer is not the student's")
    return found


def _position(one: Mapping[str, Any] | None) -> dict[int, float]:
    return {int(token): float(said["logprob"]) for token, said in (one or {}).items()}
