"""Online DPO, XPO and Nash-MD: two fresh answers to each prompt, and the better one gains on the other.

The losses couple two answers, so a first pass without gradient finds how much each token's log-probability weighs; the
second is then a plain sum over rows, and micro-batches change no number.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.online_methods import (
    NashMDConfig,
    OnlineDPOConfig,
    OnlinePairConfig,
    XPOConfig,
)
from droid_tune.errors import UserError
from droid_tune.methods.advantages import compute_advantages
from droid_tune.methods.completions import loss_mask
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.methods.losses.online_pairs import (
    Explored,
    nash_loss,
    preference_loss,
    preferred_first,
    summed,
    xpo_loss,
)
from droid_tune.methods.reference_sync import mixed
from droid_tune.model.arrays import number as number_of
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.places import put_arrays
from droid_tune.model.policy import Policy
from droid_tune.model.reference import as_reference
from droid_tune.rewards.judges.endpoint import Endpoint, EndpointError, check_key_variable
from droid_tune.rewards.judges.pair_judge import PairJudge
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.explore import cut_off, rollout_metrics
from droid_tune.train.exploring.sampler import Sampler
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.learners.teaching.lesson_learner import LessonLearner
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.rows.drawing import draw
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.scoring_pass import logprobs_of_all, scored
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

Floats = NDArray[np.floating[Any]]
Loss = tuple[mx.array, dict[str, mx.array]]


@dataclass(frozen=True)
class _Pairs:
    """Rows of pairs: the first answers (every other row), the second ones, and of each how it is preferred (n,).

    `learnt` are the numbers of the pairs that are learnt from: a tie that is skipped has no loss either.
    """

    mask: mx.array
    reference: mx.array
    preference: mx.array
    learnt: mx.array

    @classmethod
    def of(cls, lessons: Lessons) -> _Pairs:
        assert lessons.old_logprobs is not None
        mask, preference = lessons.taught, lessons.advantages[::2].astype(np.float32)
        learnt = np.flatnonzero(are_learnt(mask)).astype(np.int32)
        return cls(
            mx.array(mask), mx.array(lessons.old_logprobs), mx.array(preference[learnt]), mx.array(learnt)
        )

    def explored(self, logprobs: mx.array, which: int) -> Explored:
        mask = self.mask[which::2]
        own, reference = summed(logprobs[which::2], mask), summed(self.reference[which::2], mask)
        return Explored(own[self.learnt], reference[self.learnt])


class OnlinePairs(LessonLearner):
    """Told apart by their config alone. A lesson's `advantages` say how its first answer is preferred (0 to 1), its
    `old_logprobs` are the reference's."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        method = self.method
        self.judge = None
        self._pairs = 0.0
        if method.judge_url:
            check_key_variable(method.judge_key_variable, "method.judge_key_variable")
            endpoint = Endpoint(
                method.judge_url,
                method.judge_model,
                key_variable=method.judge_key_variable,
                place="method.judge_url",
            )
            self.judge = PairJudge(endpoint, session.stopping)

    def settings_changed(self) -> None:
        """Loss and sampler follow the session's config."""
        method = self.session.config.method
        assert isinstance(method, OnlinePairConfig)
        self.method = method

    # -- a rollout ---------------------------------------------------------------------------------

    def explore(self, step: int, watch: Stopwatch) -> tuple[Lessons, dict[str, float]]:
        """Two answers to each of the next prompts, judged."""
        session = self.session
        with watch("rollout"):
            rows = draw(session, session.reader.prompt)
            rollout = self._two_answers(step, rows)
        self.rollouts += 1
        with watch("reward"):
            batch = self.scorer.score(step, rows, rollout)
            preference, metrics = self._preference(batch)
        size = self.method.group_size
        found = compute_advantages(batch.table, size, weights=batch.weights, names=batch.names)
        self.scorer.tell(step + 1, batch, found)
        student = ScoringRows.of_groups(rollout.prompt_tokens, size, rollout.tokens, rollout.completion_mask)
        masked = cut_off(rollout) if self.method.mask_truncated_completions else None
        mask = loss_mask(rollout.lengths.tolist(), masked, width=rollout.tokens.shape[1])
        taught = mask * np.repeat(self._teaching(preference), 2)[:, None]
        with watch("update"):
            reference = logprobs_of_all(session, student, reference=True)
        lessons = Lessons(
            student,
            student,
            taught.astype(np.float32),
            mask,
            np.repeat(preference, 2).astype(np.float32),
            rollout.sampled_logprobs,
            reference,
        )
        return lessons, found.metrics | metrics | rollout_metrics(rollout, None)

    def _two_answers(self, step: int, rows: list[PromptRow]) -> Rollout:
        """Both of the policy's; XPO's second is the reference's, Nash-MD's that of a mixture."""
        session = self.session
        seed = session.seed("rollout", self.rollouts)
        sampling = session.config.sampling
        if isinstance(self.method, OnlineDPOConfig):
            return Sampler(session, self.method.group_size, sampling).complete(step, rows, seed)
        half = self.method.group_size // 2
        own = Sampler(session, half, sampling).complete(step, rows, seed)
        with self._opponent():
            other = Sampler(session, half, sampling).complete(
                step, rows, session.seed("other", self.rollouts)
            )
        return interleaved(own, other)

    def _opponent(self) -> Any:
        policy = self.session.policy
        if isinstance(self.method, NashMDConfig):
            return between(policy, self.method.mixture_coef)
        return as_reference(policy)

    def _preference(self, batch: Batch) -> tuple[Floats, dict[str, float]]:
        """How the first answer of each prompt is preferred (n,), 1/2 for a tie, and what is shown of it."""
        totals = np.nan_to_num(batch.totals).reshape(-1, 2)
        ended = ~cut_off(batch.rollout).reshape(-1, 2)
        first, metrics = preferred_first(totals.T.ravel(), ended.T.ravel(), self.method.missing_eos_penalty)
        cost = (self.method.missing_eos_penalty or 0.0) * ~ended
        gap = (totals - cost)[:, 0] - (totals - cost)[:, 1]
        if self.judge is not None:
            return self._judged(batch), metrics
        if isinstance(self.method, NashMDConfig):
            return 1.0 / (1.0 + np.exp(-gap)), metrics
        return np.where(gap == 0, 0.5, first.astype(float)), metrics

    def _judged(self, batch: Batch) -> Floats:
        """The judge's word on every pair. One rank asks, so that all hear the same."""
        world = self.session.world
        return np.array(world.from_lead(self._asked(batch) if world.leads else None), np.float64)

    def _asked(self, batch: Batch) -> list[float]:
        assert self.judge is not None
        texts, found = batch.rollout.texts, []
        asked = [row for row in batch.rows for _ in range(self.method.group_size // 2)]
        for place, row in enumerate(asked):
            self.session.pause_point()
            try:
                found.append(self.judge.prefers_first(row.text, texts[2 * place], texts[2 * place + 1]))
            except EndpointError as error:
                raise UserError(f"The judge {error}", place="method.judge_url") from error
        return found

    def _teaching(self, preference: Floats) -> NDArray[np.bool_]:
        """Of each pair whether it is learnt from."""
        if isinstance(self.method, NashMDConfig) or not self.method.skip_ties:
            return np.ones(len(preference), np.bool_)
        return preference != 0.5

    # -- an update ---------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of an update, over all of its pairs."""
        self._pairs = 0.0
        return super().gather(step)

    def whole(self) -> float:
        """The pairs that the update's slices learn from: ties are skipped, so slices may hold more and fewer of them."""
        return max(self._pairs, 1.0)

    def has_signal(self, part: Lessons) -> bool:
        """Whether a pair is no tie."""
        return bool(part.taught.any())

    def learn(
        self, step: int, number: int, part: Lessons, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """A pass that finds what each token's log-probability weighs, and one that follows it."""
        session = self.session
        slices = session.config.training.gradient_accumulation_steps
        session.phase("update", step, number, slices, "slices")
        mine = part.take(own)
        rows = mine.scored(mine.taught)
        pairs, count = _Pairs.of(mine), float(are_learnt(part.taught).sum())
        self._pairs += count
        now = mx.array(scored(session, rows).logprobs)
        (value, sums), weights = mx.value_and_grad(self._loss(pairs))(now)
        mx.eval(value, sums, weights)

        def loss(chosen: NDArray[np.int64], logprobs: mx.array, _: Any) -> Loss:
            session.pause_point()
            index = mx.array(chosen)
            return (weights[index][:, : logprobs.shape[1]] * logprobs).sum(), {}

        _, gradients, _ = loss_and_gradients(
            session.policy,
            rows,
            loss,
            temperature=session.config.sampling.temperature,
            plan=session.plan,
            dropout_seed=session.seed("dropout", step, number),
        )
        accumulator.add(number_of(value), gradients)
        own_sums = {name: number_of(one) for name, one in sums.items()}
        totals = combined(session.world.gather_sums(own_sums))
        return {name: one / count for name, one in totals.items()} if count else {}

    def _loss(self, pairs: _Pairs) -> Callable[[mx.array], Loss]:
        """The sum of all pairs' losses as a function of all log-probabilities (N, T)."""
        method, first, count = self.method, pairs.preference >= 0.5, 1.0

        def loss(logprobs: mx.array) -> Loss:
            if isinstance(method, NashMDConfig):
                reference, mask = pairs.reference[::2][pairs.learnt], pairs.mask[::2][pairs.learnt]
                return nash_loss(
                    logprobs[::2][pairs.learnt], reference, mask, pairs.preference, method.beta, count
                )
            sides = pairs.explored(logprobs, 0), pairs.explored(logprobs, 1)
            if isinstance(method, XPOConfig):
                return xpo_loss(*sides, first, method.loss_type, method.beta, method.alpha, count)
            assert isinstance(method, OnlineDPOConfig)
            return preference_loss(*sides, first, method.loss_type, method.beta, count)

        return loss


def are_learnt(taught: Floats) -> NDArray[np.bool_]:
    """Of each pair of rows (n,) whether a token of either is taught; `taught` (2n, T)."""
    return np.asarray(taught.reshape(len(taught) // 2, -1).any(axis=1), np.bool_)


def interleaved(own: Rollout, other: Rollout) -> Rollout:
    """Both rollouts' answers to every prompt, in pairs that follow one another."""
    width = max(own.tokens.shape[1], other.tokens.shape[1])

    def both(name: str) -> NDArray[Any]:
        parts = [getattr(one, name) for one in (own, other)]
        wide = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
        return np.stack(wide, axis=1).reshape(-1, width)

    def each(name: str) -> list[Any]:
        pairs = zip(getattr(own, name), getattr(other, name), strict=True)
        return [one for pair in pairs for one in pair]

    return replace(
        own,
        group_size=2 * own.group_size,
        tokens=both("tokens"),
        completion_mask=both("completion_mask"),
        sampled_logprobs=both("sampled_logprobs"),
        texts=each("texts"),
        finish_reasons=each("finish_reasons"),
        drawn_logprobs=None,
    )


@contextmanager
def between(policy: Policy, share: float) -> Generator[None]:
    """Inside, the policy is a mixture in its weights: `share` of the reference, the rest its own."""
    own, reference = policy.trainable(), policy.reference_arrays
    if reference is not None:
        weaker = {name: mixed(reference[name], array, share) for name, array in own.items()}
    else:
        weaker = {
            name: array * (1.0 - share) if name.endswith("lora_b") else array for name, array in own.items()
        }
    put_arrays(policy.model, weaker)
    try:
        yield
    finally:
        put_arrays(policy.model, own)
