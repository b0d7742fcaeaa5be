"""Who grades the student: another model on disk, an earlier run, or a server that reports log-probabilities.

One teacher is in memory at a time; with several each step has one of them, in turn, which a resume follows from the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.errors import AbsentTeacherError, UserError
from droid_tune.machine import garbage
from droid_tune.methods.distillation.divergence import Divergence
from droid_tune.model.adapter_files import load_arrays, read_arrays
from droid_tune.model.gradients.head import Measure
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.gradients.scoring import states_of
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.teacher_measure import TeacherMeasure
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.runs.folder import find_run, read_config
from droid_tune.train.learners.teaching.other_tokenizer import OtherTokenizer, same_tokens
from droid_tune.train.learners.teaching.reporting_teacher import ReportingTeacher
from droid_tune.train.saving.weights import newest_weights
from droid_tune.train.scoring_pass import scored
from droid_tune.train.starting.start import starting_policy
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


class Teacher(Protocol):
    """Grades the student's completions."""

    def measure(self, rows: ScoringRows) -> Measure:
        """How far each scored token's distribution is from the teacher's."""
        ...

    def logprobs(self, rows: ScoringRows) -> Floats:
        """The teacher's log-probabilities of the sampled tokens (N, T)."""
        ...


@dataclass(frozen=True)
class ModelTeacher:
    """A model in memory that shares the student's tokens."""

    session: TrainingSession
    method: TeacherConfig
    policy: Policy

    def measure(self, rows: ScoringRows) -> Measure:
        """By the teacher's hidden states, kept, and its head."""
        method, temperature = self.method, self.session.config.sampling.temperature
        top_k = method.distillation_topk if method.distillation_mode == "topk_logits" else None
        known = states_of(self.policy, rows, self.session.plan, reference=False, watch=self.session.stopping)
        mx.eval(known.states)
        head = head_for(self.policy.model, self.policy.architecture)
        divergence = Divergence(method.distillation_alpha, top_k, "beta", method.distillation_add_tail)
        return TeacherMeasure(divergence, known.states, known.slots, head, temperature)

    def logprobs(self, rows: ScoringRows) -> Floats:
        """By one pass without a gradient."""
        return scored(self.session, rows, policy=self.policy).logprobs


class Teachers:
    """The run's teachers by name; the one in use is loaded when it is asked for, the one before it is let go."""

    def __init__(self, session: TrainingSession, method: TeacherConfig) -> None:
        self._session, self._method = session, method
        self._name, self._teacher = "", None
        self._policy: Policy | None = None

    def at(self, step: int) -> Teacher:
        """The teacher of a step. Raises UserError where it cannot be loaded, or asked for what it cannot say."""
        names = self._method.teachers
        name = names[step % len(names)]
        if self._teacher is None or name != self._name:
            self._teacher = self._policy = None
            garbage.collect()
            mx.clear_cache()
            self._teacher, self._name = self._open(name), name
        return self._teacher

    def policy_at(self, step: int) -> Policy | None:
        """The model of a step's teacher, where it is in memory."""
        self.at(step)
        return self._policy

    def _open(self, name: str) -> Teacher:
        session, method = self._session, self._method
        if name.startswith(("http://", "https://")):
            return ReportingTeacher.of(name, session, method)
        policy = self._policy = _at_hand(name)
        if same_tokens(policy.tokenizer, session.policy.tokenizer):
            return ModelTeacher(session, method, policy)
        if method.objective != "divergence":
            raise UserError(
                f"The teacher {name} has another tokenizer, so it cannot say how likely the student's tokens are",
                place="method.objective",
                remedy="set `objective` to divergence, or take a teacher of the same family",
            )
        return OtherTokenizer(session, method, policy)


def _at_hand(name: str) -> Policy:
    """The teacher's model. Raises AbsentTeacherError where it is not there."""
    try:
        return loaded_teacher(name)
    except UserError as error:
        raise AbsentTeacherError(
            f"The teacher cannot be loaded: {error.message}",
            value=error.value,
            place=error.place or name,
            remedy=error.remedy,
        ) from error


def loaded_teacher(name: str) -> Policy:
    """A run's model with what it learnt, or a model as it is. Raises UserError where there is neither."""
    try:
        run = find_run(name)
    except UserError:
        return load_policy(name, AdapterConfig(rank=1, layers=1))
    policy = starting_policy(read_config(run), run)
    weights = newest_weights(run)
    load_arrays(policy, read_arrays(weights.file), place=str(weights.file))
    return policy
