"""On-policy distillation: the student answers (or reads the data's answers), another model grades every token.

One token mean over the optimizer step: what the slices add up is divided by the tokens of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.methods.advantages import compute_advantages
from droid_tune.methods.completions import loss_mask
from droid_tune.methods.distillation.averages import TaughtRows
from droid_tune.methods.distillation.reward_to_go import reward_to_go
from droid_tune.methods.distillation.token_sums import finish_weights, importance_weighted, token_mean
from droid_tune.methods.losses import LossRows, LossSpec, policy_loss, slice_context
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.model.gradients.head import Measure
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.uld_measure import UldMeasure
from droid_tune.train.evaluate import Evaluated, evaluate_rows
from droid_tune.train.exploring.explore import cut_off, rollout_metrics
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.learners.teaching.lesson_learner import LessonLearner
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.learners.teaching.teachers import Teachers
from droid_tune.train.rows.drawing import draw
from droid_tune.train.rows.examples import example_rows
from droid_tune.train.scoring_pass import logprobs_of_all
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

#: a loss and its sums
Loss = tuple[mx.array, dict[str, mx.array]]
#: (row numbers (n,), log-probabilities (n, T)) -> its share
Term = Callable[[NDArray[np.int64], mx.array], Loss]
Floats = NDArray[np.floating[Any]]


class Distilling(LessonLearner):
    """Distillation and GKD, told apart by their config alone."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        self.teachers = Teachers(session, self.method)
        self._tokens = 0.0

    def settings_changed(self) -> None:
        """Loss and sampler follow the session's config."""
        method = self.session.config.method
        assert isinstance(method, TeacherConfig)
        self.method = method

    # -- a rollout ---------------------------------------------------------------------------------

    def explore(self, step: int, watch: Stopwatch) -> tuple[Lessons, dict[str, float]]:
        """A batch that the student answers, or one of answers that the data hold (GKD's mixture)."""
        luck = np.random.default_rng(self.session.seed("mixture", self.rollouts)).random()
        if luck >= self.method.lmbda:
            return self._from_data(watch)
        batch = self.sample(step, watch, self.method.group_size)
        found = compute_advantages(
            batch.table, self.method.group_size, weights=batch.weights, names=batch.names
        )
        self.scorer.tell(step + 1, batch, found)
        shown = {name: value for name, value in found.metrics.items() if name != "frac_reward_zero_std"}
        rollout = batch.rollout
        student = ScoringRows.of_groups(
            rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
        )
        masked = cut_off(rollout) if self.method.mask_truncated_completions else None
        mask = loss_mask(rollout.lengths.tolist(), masked, width=rollout.tokens.shape[1])
        lessons = Lessons(
            student, student, mask, mask, found.values, rollout.sampled_logprobs, self._old(student, watch)
        )
        own = {"distillation/on_policy": 1.0} if self.method.lmbda < 1 else {}
        return lessons, shown | rollout_metrics(rollout, lessons.old_logprobs) | own

    def _old(self, student: ScoringRows, watch: Stopwatch) -> Floats | None:
        """The student's log-probabilities at rollout, where the weights change before all of it is used."""
        accumulated = self.session.config.training.gradient_accumulation_steps
        if self.method.objective == "divergence" or not self.method.needs_old_logprobs(accumulated):
            return None
        with watch("update"):
            return logprobs_of_all(self.session, student)

    def _from_data(self, watch: Stopwatch) -> tuple[Lessons, dict[str, float]]:
        with watch("rollout"):
            session = self.session
            batches = [draw(session, session.reader.examples) for _ in range(self.method.group_size)]
            drawn = [examples for batch in batches for examples in batch]
        self.rollouts += 1
        rows = example_rows([examples[-1] for examples in drawn])
        mask, nothing = rows.completion_mask, np.zeros(rows.tokens.shape, np.float32)
        return Lessons(rows, rows, mask, mask, nothing[:, 0], nothing), {"distillation/on_policy": 0.0}

    # -- an update ---------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of an update, over all of its tokens."""
        self._tokens = 0.0
        return super().gather(step)

    def whole(self) -> float:
        """The tokens of the update's slices."""
        return max(self._tokens, 1.0)

    def has_signal(self, part: Lessons) -> bool:
        """Whether anything is scored."""
        return bool(part.taught.any())

    def learn(
        self, step: int, number: int, part: Lessons, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """One pass of the teacher, one of the student, forth and back."""
        session, method = self.session, self.method
        slices = session.config.training.gradient_accumulation_steps
        session.phase("update", step, number, slices, "slices")
        mine, teacher = part.take(own), self.teachers.at(step)
        self._tokens += float(part.taught.sum())
        measure = None if method.objective == "importance_weighted" else teacher.measure(mine.heard)
        term = self._term(mine, None if method.objective == "divergence" else teacher.logprobs(mine.heard))
        taught = TaughtRows(mx.array(mine.taught))
        by_row = isinstance(measure, UldMeasure)

        def loss(
            chosen: NDArray[np.int64],
            logprobs: mx.array,
            entropies: mx.array,
            divergences: mx.array | None = None,
        ) -> Loss:
            session.pause_point()
            mask = taught.take(chosen, logprobs.shape[1]).mask
            total, sums = term(chosen, logprobs)
            if divergences is not None:
                distance, found = token_mean(divergences, mask, 1.0)
                total, sums = total + distance, sums | found
            sums["taught_tokens"] = mask.sum()
            sums["taught_entropy"] = mx.stop_gradient(mx.where(mask > 0, entropies, 0.0).sum())
            return total, sums

        plan = session.plan
        value, gradients, parts = loss_and_gradients(
            session.policy,
            mine.scored(mine.taught),
            loss,
            temperature=session.config.sampling.temperature,
            plan=replace(plan, train_rows=1, head_tokens=mine.taught.shape[1]) if by_row else plan,
            with_entropy=True,
            entropy_gradient=False,
            measure=measure,
            dropout_seed=session.seed("dropout", step, number),
        )
        accumulator.add(value, gradients)
        return _metrics(session.world.gather_sums(combined(parts)), measure)

    def _term(self, mine: Lessons, teacher: Floats | None) -> Term:
        """What the sampled tokens add to the loss: nothing, weights, or MiniLLM's advantages."""
        if teacher is None:
            return _nothing
        if self.method.objective == "importance_weighted":
            return self._early(mine, teacher)
        return self._ahead(mine, teacher)

    def _early(self, mine: Lessons, teacher: Floats) -> Term:
        """IW-OPD: the teacher's word on each sampled token, early ones first."""
        old = None if mine.old_logprobs is None else mx.array(mine.old_logprobs)
        rows, gamma = TaughtRows(mx.array(mine.taught), mx.array(teacher), old), self.method.iw_opd_gamma

        def term(chosen: NDArray[np.int64], logprobs: mx.array) -> Loss:
            taken = rows.take(chosen, logprobs.shape[1])
            return importance_weighted(taken, logprobs, gamma=gamma, tokens=1.0)

        return term

    def _ahead(self, mine: Lessons, teacher: Floats) -> Term:
        """MiniLLM's policy gradient: each token's advantage is the teacher's word on what follows."""
        student = mine.sampled_logprobs if mine.old_logprobs is None else mine.old_logprobs
        advantages = reward_to_go(
            teacher, student, mine.taught, self.method.gamma, by_length=self.method.length_normalization
        )
        rows = LossRows.of(mask=mine.taught, advantages=advantages, old_logprobs=mine.old_logprobs)
        spec = LossSpec(loss_type="dapo")
        context = slice_context(mine.taught, max_completion_length=mine.taught.shape[1], rollout_tokens=1.0)

        def term(chosen: NDArray[np.int64], logprobs: mx.array) -> Loss:
            return policy_loss(spec, context, rows.take(chosen), logprobs)[0], {}

        return term

    # -- held-out rows -------------------------------------------------------------------------

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; before training also how well the first teacher does on them, where it is in memory."""
        found = super().evaluate(step)
        if found is None or step:
            return found
        session = self.session
        policy = self.teachers.policy_at(step)
        if policy is None or policy.tokenizer.get_vocab() != session.policy.tokenizer.get_vocab():
            return found
        rows = session.held_out_prompts(found.rows)
        teacher = evaluate_rows(replace(session, policy=policy), self.scorer, 0, rows)
        names = [name for name in ("eval/accuracy", "eval/reward") if name in teacher]
        told = {name.replace("eval/", "eval/teacher_", 1): teacher[name] for name in names}
        return replace(found, metrics=found.metrics | told)


def _nothing(chosen: NDArray[np.int64], logprobs: mx.array) -> Loss:
    return mx.array(0.0), {}


def _metrics(parts: list[dict[str, float]], measure: Measure | None) -> dict[str, float]:
    totals = combined(parts)
    tokens = max(totals.get("taught_tokens", 0.0), 1.0)
    found = {"entropy": totals.get("taught_entropy", 0.0) / tokens}
    if measure is not None:
        found["distillation/divergence"] = totals.get("divergence", 0.0) / tokens
    if "weight" in totals:
        found |= finish_weights(parts)
    return found
