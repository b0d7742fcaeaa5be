"""Exploring: sample and judge a rollout, compare within the groups, score what the method needs of it.

Shapes: P prompts, G completions each, N = P x G rows, T positions, K rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.variant_methods import A2POConfig
from droid_tune.data.order.seeds import rollout_seed
from droid_tune.methods.advantages import Advantages, compute_advantages, weighted_totals
from droid_tune.methods.baselines import Penalty, RewardComparison
from droid_tune.methods.completions import length_metrics, loss_mask
from droid_tune.methods.correction import sampler_ratio, sampling_metrics
from droid_tune.methods.down_sampling import down_sampled
from droid_tune.methods.overlong import soft_overlong_reward
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.best_values import BestValues
from droid_tune.train.exploring.episode_rewards import episode_metrics, with_turns
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.exploring.sampler import Sampler
from droid_tune.train.exploring.score import Scorer
from droid_tune.train.exploring.token_record import TokenRecorder
from droid_tune.train.rows.drawing import draw
from droid_tune.train.rows.row_reader import PromptRow
from droid_tune.train.scoring_pass import logprobs_of_all
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Policies:
    """A rollout's completions under the policies that a method compares: log-probabilities (N, T), None where not needed."""

    rows: ScoringRows
    old: Floats | None
    reference: Floats | None
    #: what a critic foretells at each token
    values: Floats | None = None

    @property
    def penalty(self) -> Penalty | None:
        """How far the old policy is from the reference, where both are known."""
        if self.old is None or self.reference is None:
            return None
        return Penalty.of(self.old, self.reference, self.rows.completion_mask)


class Explorer:
    """Makes experiences of the next prompts."""

    def __init__(self, session: TrainingSession, method: PolicyMethodConfig, scorer: Scorer) -> None:
        self.session, self.method, self.scorer = session, method, scorer
        self.sampler = Sampler(session, method.group_size, session.config.sampling)
        self.values = BestValues(session, method, scorer) if isinstance(method, A2POConfig) else None
        self.tokens = TokenRecorder(session)
        self.rollouts = 0  # made so far: the random state of each derives from its number

    def settings_changed(self, method: PolicyMethodConfig) -> None:
        """The next rollout is sampled as the session's config now says."""
        self.method = method
        self.sampler = Sampler(self.session, method.group_size, self.session.config.sampling)

    def explore(self, step: int, watch: Stopwatch) -> tuple[Experience, dict[str, float]]:
        """A rollout, judged, told and prepared for training; and its rollout-side metrics."""
        batch, metrics = self._collect(step, watch)
        rollout, kept = batch.rollout, self._kept(batch)
        learnt = batch if kept is None else batch.narrowed(kept)
        with watch("update"):
            policies = self._policies(step, learnt.rollout)
        advantages = self._credited(learnt, self._advantages(learnt, policies))
        told = advantages if kept is None else self._of_all(batch, kept, advantages)
        self.scorer.tell(step + 1, batch, told, self._trained(batch, kept))
        self.tokens.choose(step + 1, rollout, told)
        experience = self._prepare(learnt, policies, advantages)
        if rollout.trajectories is not None:
            metrics |= episode_metrics(rollout.trajectories, rollout.stood_seconds, rollout.read_tokens)
        metrics |= told.metrics
        metrics |= rollout_metrics(learnt.rollout, experience.old_logprobs, experience.sampler_ratio)
        if kept is not None:  # lengths are those of all
            metrics |= rollout_metrics(rollout)
        return experience, metrics

    # -- sampling and judging ----------------------------------------------------------------------

    def _collect(self, step: int, watch: Stopwatch) -> tuple[Batch, dict[str, float]]:
        """One generation batch; with dynamic sampling, groups that teach nothing are replaced a few times."""
        batch = self._sample(step, watch)
        chosen = self.session.batches.told()
        if not self.method.dynamic_sampling:
            return batch, chosen
        wanted = self.session.config.training.batch_size
        rounds = dropped = 0
        while rounds < self.method.dynamic_sampling_rounds and self._teaching(batch).sum() < wanted:
            rounds += 1
            fresh = self._sample(step, watch)
            teaches = np.concatenate([self._teaching(batch), self._teaching(fresh)])
            order = np.concatenate([np.flatnonzero(teaches), np.flatnonzero(~teaches)])[:wanted]
            batch, dropped = batch.joined(fresh).take(order), dropped + len(teaches) - wanted
        return batch, chosen | {
            "dynamic_sampling/rounds": float(rounds),
            "dynamic_sampling/dropped_groups": float(dropped),
        }

    def _sample(self, step: int, watch: Stopwatch) -> Batch:
        session = self.session
        with watch("rollout"):
            session.pause_point()
            rows = self._next_prompts(step)
            rollout = self.sampler.complete(
                step, rows, rollout_seed(session.config.training.seed, self.rollouts)
            )
        self.rollouts += 1
        with watch("reward"):
            batch = self.scorer.score(step, rows, rollout)
        places = [session.train.index_of(row.number) for row in rows]
        session.batches.observe(places, batch.totals.reshape(len(rows), -1))
        return batch

    def _next_prompts(self, step: int) -> list[PromptRow]:
        """The next batch of prompts; with A*-PO those of which something may be hoped."""
        session = self.session
        if self.values is None:
            return draw(session, session.reader.prompt)
        return self.values.worthwhile(step, lambda: draw(session, session.reader.prompt))

    def _kept(self, batch: Batch) -> NDArray[np.int64] | None:
        """The completions that are trained on; None: all. Those that are not in the loss are the last to be chosen."""
        method = self.method
        if method.learnt_group == batch.rollout.group_size:
            return None
        learnt = self._loss_mask(batch).any(axis=1)
        table, weights, _ = self.judged_table(batch)
        rewards = np.where(learnt, weighted_totals(table, weights), np.nan)
        return down_sampled(rewards, batch.rollout.group_size, method.learnt_group)

    def _trained(self, batch: Batch, kept: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        """Which completions are in the loss (N,)."""
        found = np.asarray(self._loss_mask(batch).any(axis=1))
        return found if kept is None else found & np.isin(np.arange(len(found)), kept)

    def _of_all(self, batch: Batch, kept: NDArray[np.int64], advantages: Advantages) -> Advantages:
        """What is told of all completions of which those at `kept` are trained on; the others pull nowhere."""

        def among_all(part: NDArray[np.float32]) -> NDArray[np.float32]:
            found = np.zeros((len(batch.rollout), *part.shape[1:]), np.float32)
            found[kept] = part
            return found

        whole = None if advantages.whole is None else among_all(advantages.whole)
        return replace(self._advantages(batch), values=among_all(advantages.values), whole=whole)

    def _teaching(self, batch: Batch) -> NDArray[np.bool_]:
        """Of each group (P,) whether anything can be learnt from it."""
        return self._credited(batch, self._advantages(batch)).informative

    def _advantages(self, batch: Batch, policies: Policies | None = None) -> Advantages:
        """The groups' advantages; DAPO's soft overlong punishment counts as one more reward of what was judged.

        `policies` tell the KL penalty that some methods take off the reward.
        """
        method = self.method
        table, weights, names = self.judged_table(batch)
        if method.baseline != "group":
            values = None if self.values is None else self.values.of(batch.rows, method.group_size)
            return self._compared(weights, names).advantages(table, policies and policies.penalty, values)
        return compute_advantages(
            table,
            batch.rollout.group_size,
            weights=weights,
            scale_rewards=method.scale_rewards,
            aggregation=method.multi_objective_aggregation,
            eps=method.advantage_eps,
            names=names,
        )

    def _credited(self, batch: Batch, advantages: Advantages) -> Advantages:
        """With the advantages of single turns, where the environment's settings ask for them."""
        settings = self.session.config.environment
        if settings is None or settings.credit == "episode" or batch.rollout.trajectories is None:
            return advantages
        return with_turns(batch, advantages, settings, self.method)

    def judged_table(self, batch: Batch) -> tuple[NDArray[Any], list[float], list[str]]:
        """The rewards (N, K), their weights and names, with DAPO's soft overlong punishment where it is asked for."""
        method, table = self.method, batch.table
        weights, names = list(batch.weights), list(batch.names)
        if method.overlong_cache is not None:
            limit = self.session.config.sampling.max_completion_length
            punished = [
                [soft_overlong_reward(int(length), limit, method.overlong_cache)]
                for length in batch.rollout.lengths
            ]
            unjudged = np.isnan(table).all(axis=1, keepdims=True)
            table = np.concatenate([table, np.where(unjudged, np.nan, punished)], axis=1)
            weights, names = [*weights, 1.0], [*names, "overlong"]
        return table, weights, names

    def _compared(self, weights: Sequence[float], names: Sequence[str]) -> RewardComparison:
        method = self.method
        return RewardComparison(
            method.baseline,
            method.group_size,
            weights,
            names,
            method.reward_clip_range,
            method.beta if method.kl_in_reward else 0.0,
            method.normalize_advantages,
            method.advantage_eps,
        )

    # -- scoring -----------------------------------------------------------------------------------

    def _policies(self, step: int, rollout: Rollout) -> Policies:
        """Score what the method needs under the old and the reference policy; nothing that it does not."""
        method, session = self.method, self.session
        rows = ScoringRows.of_groups(
            rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
        )
        old = reference = None
        accumulated = session.config.training.gradient_accumulation_steps
        if method.needs_old_logprobs(accumulated, session.config.sampling.cache_bits):
            session.phase("update", step, 0, 0, "old policy")
            old = logprobs_of_all(self.session, rows)
        if method.needs_reference:
            session.phase("update", step, 0, 0, "reference")
            reference = logprobs_of_all(self.session, rows, reference=True)
        return Policies(rows, old, reference)

    def _prepare(self, batch: Batch, policies: Policies, advantages: Advantages) -> Experience:
        """The rollout with all that stays fixed while it is trained on."""
        rollout, mask = batch.rollout, self._loss_mask(batch)
        return Experience(
            **vars(policies.rows),
            mask=mask,
            advantages=advantages.values,
            sampled_logprobs=rollout.sampled_logprobs,
            old_logprobs=policies.old,
            reference_logprobs=policies.reference,
            sampler_ratio=self._sampler_ratio(policies.old, rollout, mask),
            rollout_tokens=max(float(mask.sum()), 1.0),
        )

    def _loss_mask(self, batch: Batch) -> NDArray[np.float32]:
        """Which tokens are learnt from (N, T): those of completions that were cut off only where asked.

        A*-PO learns from every reward, 0 above its value included; what no reward judged is left out.
        """
        rollout = batch.rollout
        masked = cut_off(rollout) if self.method.mask_truncated_completions else None
        if self.values is not None:
            unjudged = np.isnan(batch.totals)
            masked = unjudged if masked is None else masked | unjudged
        width = rollout.tokens.shape[1]
        if rollout.trajectories is not None:
            return loss_mask([width] * len(rollout), masked, rollout.completion_mask, width)
        return loss_mask(rollout.lengths.tolist(), masked, width=width)

    def _sampler_ratio(self, old: Floats | None, rollout: Rollout, mask: Floats) -> Floats | None:
        """What the probabilities that tokens were drawn with correct the policy term by (N, T); None: nothing.

        Filters are part of them: a token that top-p made likelier counts for less.
        """
        method = self.method
        correction = method.correction(self.session.config.sampling.cache_bits)
        if old is None or correction is None:
            return None
        drawn = rollout.drawn_logprobs
        return sampler_ratio(
            old,
            rollout.sampled_logprobs if drawn is None else drawn,
            mask,
            correction,
            clip_max=method.sampler_clip_max,
            clip_min=method.sampler_clip_min,
        )


def cut_off(rollout: Rollout) -> NDArray[np.bool_]:
    """Which completions reached their longest length before they ended (N,)."""
    return np.array([reason == "length" for reason in rollout.finish_reasons])


def rollout_metrics(
    rollout: Rollout, old_logprobs: Floats | None = None, sampler_ratio: Floats | None = None
) -> dict[str, float]:
    """Lengths, and how far the sampler's log-probabilities are from the scorer's (N, T) where both are known."""
    prompt_lengths = np.repeat([len(prompt) for prompt in rollout.prompt_tokens], rollout.group_size)
    metrics = length_metrics(rollout.lengths.tolist(), cut_off(rollout), prompt_lengths.tolist())
    metrics["sampled_tokens"] = float(rollout.lengths.sum())
    if old_logprobs is not None:
        metrics |= sampling_metrics(
            old_logprobs, rollout.sampled_logprobs, rollout.completion_mask, sampler_ratio
        )
    return metrics
