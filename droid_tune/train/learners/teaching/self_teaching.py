"""Self-distillation: the model answers, and the same weights that read more than it did grade every token.

The teacher is the adapter bypassed, a moving average of what is trained, or the weights of now: no second model in memory.
A group in which all answers earn the same still teaches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.teaching_methods import SDPOConfig, SelfTaughtConfig, ShownConfig
from droid_tune.errors import UserError
from droid_tune.methods.advantages import Advantages, compute_advantages
from droid_tune.methods.completions import loss_mask
from droid_tune.methods.distillation.averages import TaughtRows, row_mean
from droid_tune.methods.distillation.divergence import Divergence
from droid_tune.methods.distillation.self_taught import self_taught_advantages
from droid_tune.methods.losses import LossRows, LossSpec, finish_metrics, policy_loss, slice_context
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.model.gradients.head import Measure
from droid_tune.model.gradients.scoring import loss_and_gradients, states_of
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.teacher_measure import TeacherMeasure, teacher_head
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.explore import cut_off, rollout_metrics
from droid_tune.train.learners.teaching.lesson_learner import LessonLearner
from droid_tune.train.learners.teaching.lessons import Lessons, taught_rows
from droid_tune.train.learners.teaching.richer_prompts import (
    RicherPrompt,
    lessons_of_the_group,
    shown_text,
    solution_in_view,
)
from droid_tune.train.learners.teaching.teacher_evaluation import with_teacher
from droid_tune.train.scoring_pass import logprobs_of_all, scored
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

#: rows whose solutions are looked for
LOOKED_AT = 100

Floats = NDArray[np.floating[Any]]
#: a loss and its sums
Loss = tuple[mx.array, dict[str, mx.array]]


class SelfTeaching(LessonLearner):
    """SDFT, SDPO and plain self-distillation, told apart by their config alone."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        self._check_rows()

    def settings_changed(self) -> None:
        """Loss and sampler follow the session's config."""
        method = self.session.config.method
        assert isinstance(method, SelfTaughtConfig)
        self.method = method

    def _check_rows(self) -> None:
        """Raises UserError where no row holds anything that the teacher could be shown."""
        method, rows = self.method, self.session.train
        if not isinstance(method, ShownConfig):
            return
        if not any(shown_text(row, method.context_field) for row in rows[: min(len(rows), LOOKED_AT)]):
            column = method.context_field or "answer"
            raise UserError(
                f"No row has `{column}`, so the teacher would know no more than the student",
                place="data",
                remedy="map a column to `answer` under Data, or name the column in `context_field`",
            )

    # -- a rollout ---------------------------------------------------------------------------------

    def explore(self, step: int, watch: Stopwatch) -> tuple[Lessons, dict[str, float]]:
        """Sample and judge completions, and say what the teacher of each reads."""
        batch = self.sample(step, watch, self.method.group_size)
        advantages = self._advantages(batch)
        self.scorer.tell(step + 1, batch, advantages)
        richer = self._richer(batch)
        with watch("update"):
            lessons = self._prepare(step, batch, advantages, richer)
        shares = {"self_distillation/reprompt_sample_fraction": _share([one.teaches for one in richer])}
        if isinstance(self.method, SDPOConfig):
            shares["self_distillation/success_group_fraction"] = self._successes(batch, self.method)
        return lessons, advantages.metrics | rollout_metrics(batch.rollout, lessons.old_logprobs) | shares

    def _richer(self, batch: Batch) -> list[RicherPrompt]:
        """What the teacher of each completion (N) reads."""
        reader, method = self.session.reader, self.method
        if isinstance(method, SDPOConfig):
            return lessons_of_the_group(batch, reader, method)
        assert isinstance(method, ShownConfig)
        found = [solution_in_view(row, reader, method) for row in batch.rows]
        return [one for one in found for _ in range(method.group_size)]

    def _successes(self, batch: Batch, method: SDPOConfig) -> float:
        totals = np.nan_to_num(batch.totals, nan=-np.inf).reshape(-1, method.group_size)
        return _share((totals >= method.success_reward_threshold).any(axis=1))

    def _advantages(self, batch: Batch) -> Advantages:
        """Those of SDPO's policy term; for the others what is shown of the rewards."""
        method = self.method
        scale = method.scale_rewards if isinstance(method, SDPOConfig) else "group"
        found = compute_advantages(
            batch.table, method.group_size, weights=batch.weights, scale_rewards=scale, names=batch.names
        )
        if not isinstance(method, SDPOConfig):
            shown = {name: value for name, value in found.metrics.items() if name != "frac_reward_zero_std"}
            return replace(found, metrics=shown)
        own = self_taught_advantages(batch.totals[:, None], method.group_size, scale)
        return replace(found, values=own.astype(np.float32))

    def _prepare(
        self, step: int, batch: Batch, advantages: Advantages, richer: list[RicherPrompt]
    ) -> Lessons:
        """The rollout with all that stays fixed while it is learnt from."""
        rollout, method, session = batch.rollout, self.method, self.session
        student = ScoringRows.of_groups(
            rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
        )
        width = rollout.tokens.shape[1]
        masked = cut_off(rollout) if method.mask_truncated_completions else None
        mask = loss_mask(rollout.lengths.tolist(), masked, width=width)
        heard = np.array([one.teaches for one in richer])[:, None]
        late = np.arange(width)[None] >= method.num_loss_tokens_to_skip
        old = None
        if method.needs_old_logprobs(session.config.training.gradient_accumulation_steps):
            session.phase("update", step, 0, 0, "old policy")
            old = logprobs_of_all(self.session, student)
        return Lessons(
            student,
            taught_rows(student, [one.tokens for one in richer]),
            taught=(mask * heard * late).astype(np.float32),
            mask=mask,
            advantages=advantages.values,
            sampled_logprobs=rollout.sampled_logprobs,
            old_logprobs=old,
        )

    # -- an update ---------------------------------------------------------------------------------

    @property
    def _weight(self) -> float:
        """The share of the teacher's loss; the rest is the policy term's."""
        return self.method.distillation_weight if isinstance(self.method, SDPOConfig) else 1.0

    def has_signal(self, part: Lessons) -> bool:
        """Whether a teacher is heard, or a reward is above its group's mean."""
        by_reward = self._weight < 1 and bool((part.advantages[part.mask.any(axis=1)] != 0).any())
        return by_reward or (self._weight > 0 and bool(part.taught.any()))

    def learn(
        self, step: int, number: int, part: Lessons, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """One pass of the teacher, one of the student, forth and back."""
        session = self.session
        slices = session.config.training.gradient_accumulation_steps
        session.phase("update", step, number, slices, "slices")
        mine, weight = part.take(own), self._weight
        measure, heard = self._teacher(mine) if weight else (None, None)
        policy = self._policy_term(part, mine, slices) if weight < 1 else None
        taught = TaughtRows(
            mx.array(mine.taught),
            None if heard is None else mx.array(heard),
            None if mine.old_logprobs is None else mx.array(mine.old_logprobs),
        )
        all_rows = float(len(part) * slices)

        def loss(
            chosen: NDArray[np.int64],
            logprobs: mx.array,
            entropies: mx.array,
            divergences: mx.array | None = None,
        ) -> tuple[mx.array, dict[str, mx.array]]:
            session.pause_point()
            rows = taught.take(chosen, logprobs.shape[1])
            clip = self.method.distillation_is_clip
            value, sums = (
                row_mean(rows, logprobs, divergences, all_rows=all_rows, largest_ratio=clip)
                if weight
                else (
                    mx.array(0.0),
                    {},
                )
            )
            entropy = mx.stop_gradient(mx.where(rows.mask > 0, entropies, 0.0).sum())
            sums = {**sums, "taught_entropy": entropy}
            if policy is None:
                return value, sums
            further, of_policy = policy(chosen, logprobs, entropies)
            return weight * value + (1.0 - weight) * further, sums | of_policy

        value, gradients, parts = loss_and_gradients(
            session.policy,
            mine.scored(np.maximum(mine.taught * (weight > 0), mine.mask * (weight < 1))),
            loss,
            temperature=session.config.sampling.temperature,
            plan=session.plan,
            with_entropy=True,
            entropy_gradient=False,
            measure=measure,
            dropout_seed=session.seed("dropout", step, number),
        )
        accumulator.add(value, gradients)
        return self._metrics(session.world.gather_sums(combined(parts)), part, slices)

    def _teacher(self, mine: Lessons) -> tuple[Measure | None, Floats | None]:
        """What the teacher says of each token: its distributions to be measured, or the sampled tokens' log-probabilities."""
        policy, method, plan = self.session.policy, self.method, self.session.plan
        temperature, reference = self.session.config.sampling.temperature, method.needs_reference
        if method.distillation_mode == "sampled_token":
            return None, scored(self.session, mine.heard, reference=reference).logprobs
        top_k = method.distillation_topk if method.distillation_mode == "topk_logits" else None
        divergence = Divergence(method.distillation_alpha, top_k, "student", method.distillation_add_tail)
        known = states_of(policy, mine.heard, plan, reference=reference, watch=self.session.stopping)
        mx.eval(known.states)
        head = teacher_head(policy, reference=reference)
        return TeacherMeasure(divergence, known.states, known.slots, head, temperature), None

    def _policy_term(self, part: Lessons, mine: Lessons, slices: int) -> Callable[..., Loss]:
        """SDPO's second term as a function of a micro-batch."""
        spec, context = self._policy_spec(), self._context(part, slices)
        rows = LossRows.of(
            mask=mine.mask,
            advantages=mine.advantages,
            old_logprobs=mine.old_logprobs,
            sampled_logprobs=mine.sampled_logprobs,
        )

        def term(chosen: NDArray[np.int64], logprobs: mx.array, entropies: mx.array) -> Loss:
            return policy_loss(spec, context, rows.take(chosen), logprobs, entropies)

        return term

    def _policy_spec(self) -> LossSpec:
        method = self.method
        assert isinstance(method, SDPOConfig)
        loss_type = "bnpo" if method.loss_type == "dapo" else method.loss_type
        return LossSpec(loss_type, method.importance_sampling_level, method.epsilon)

    def _context(self, part: Lessons, slices: int) -> Any:
        return slice_context(
            part.mask,
            max_completion_length=self.session.config.sampling.max_completion_length,
            gradient_accumulation_steps=slices,
            steps_per_generation=self.method.steps_per_generation,
        )

    def _metrics(self, parts: list[dict[str, float]], part: Lessons, slices: int) -> dict[str, float]:
        totals = combined(parts)
        tokens = max(totals.get("taught_tokens", 0.0), 1.0)
        found: dict[str, float] = {}
        if self._weight:
            found["self_distillation/distillation_loss"] = totals.get("divergence", 0.0) / tokens
            found["entropy"] = totals.get("taught_entropy", 0.0) / tokens
        if self._weight < 1:
            names = ("divergence", "taught_tokens", "taught_entropy")
            own = [{name: value for name, value in one.items() if name not in names} for one in parts]
            metrics = finish_metrics(self._policy_spec(), self._context(part, slices), own)
            found |= {f"self_distillation/{k}" if k == "policy_loss" else k: v for k, v in metrics.items()}
        return found

    # -- held-out rows -------------------------------------------------------------------------

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; before training also how well the teacher does on them."""
        found = super().evaluate(step)
        if found is None or step or not isinstance(self.method, ShownConfig):
            return found
        return with_teacher(found, self.session, self.scorer, self.method)


def _share(flags: Any) -> float:
    return float(np.mean(flags))
