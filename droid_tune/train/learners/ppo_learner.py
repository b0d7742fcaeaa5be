"""PPO: the policy gradient with a critic's advantages, and the critic learns beside it.

Both share the base and the rollout; the critic's pass reads hidden states only, no vocabulary. Shapes: N completions, T
positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.ppo_method import PPOConfig
from droid_tune.methods.actor_critic import (
    advantages_and_returns,
    explained_variance,
    token_rewards,
    whitened,
)
from droid_tune.methods.advantages import Advantages, reward_metrics, weighted_totals
from droid_tune.methods.baselines import clipped
from droid_tune.methods.losses.critic_loss import critic_loss
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.model.gradients.value_gradients import value_gradients, values_of
from droid_tune.model.heads.critic import add_critic, as_critic, critic_head, critic_tree
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.exploring.explore import Explorer, Policies, cut_off
from droid_tune.train.learners.policy_gradient import PolicyGradient
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Foretold(Advantages):
    """Advantages (N, T) with the returns (N, T) that the critic learns."""

    returns: Floats = field(default_factory=lambda: np.zeros((0, 0)))


class PPO(PolicyGradient):
    """A policy gradient that is told what to expect by a critic of its own."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        assert isinstance(self.method, PPOConfig)
        add_critic(session.policy)
        self.explorer = CriticExplorer(session, self.method, self.scorer)

    def has_signal(self, part: Experience) -> bool:
        """The critic learns of every token."""
        return bool(part.mask.any())

    def learn(
        self, step: int, number: int, part: Experience, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """The policy's loss and gradient of a slice, then the critic's."""
        told = super().learn(step, number, part, own, accumulator)
        return told | self._learn_values(step, number, part, own, accumulator)

    def _learn_values(
        self, step: int, number: int, part: Experience, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        session, method = self.session, self.method
        assert isinstance(method, PPOConfig)
        assert part.values is not None
        assert part.returns is not None
        before, returns, mask = (
            mx.array(array[own].astype(np.float32)) for array in (part.values, part.returns, part.mask)
        )
        tokens = max(float(part.mask.sum()), 1.0)
        slices = session.config.training.gradient_accumulation_steps

        def loss(chosen: NDArray[np.int64], values: mx.array, _: Any) -> Any:
            session.pause_point()
            at = mx.array(chosen)
            value, sums = critic_loss(
                values, before[at], returns[at], mask[at], method.value_clip, tokens * slices
            )
            return method.value_weight * value, sums

        with as_critic(session.policy):
            value, gradients, of_head, parts = value_gradients(
                session.policy,
                part.in_the_loss.take(own),
                loss,
                critic_head(session.policy),
                plan=session.plan,
                dropout_seed=session.seed("critic", step, number),
            )
        accumulator.add(value, critic_tree(gradients, of_head))
        totals = combined(session.world.gather_sums(combined(parts)))
        return {name: total / tokens for name, total in totals.items()}


class CriticExplorer(Explorer):
    """Rollouts of which a critic says what was to be expected."""

    def _policies(self, step: int, rollout: Rollout) -> Policies:
        """What was needed before, and the critic's values (N, T)."""
        found, session = super()._policies(step, rollout), self.session
        own = session.world.own_places(found.rows.prompt_index)
        session.phase("update", step, 0, 0, "critic")
        with as_critic(session.policy):
            values = values_of(
                session.policy,
                found.rows.take(own),
                critic_head(session.policy),
                session.plan,
                session.stopping,
            )
        return replace(found, values=session.world.merge(values, own, len(found.rows)))

    def _advantages(self, batch: Batch, policies: Policies | None = None) -> Foretold:
        """Generalised advantages of the tokens; the KL penalty (k1) is taken off where it arises."""
        method = self.method
        assert isinstance(method, PPOConfig)
        assert policies is not None
        assert policies.values is not None
        table, weights, names = self.judged_table(batch)
        totals = weighted_totals(table, weights)
        mask = self._loss_mask(batch)
        earned = clipped(totals, method.reward_clip_range) - (
            (method.missing_eos_penalty or 0.0) * cut_off(batch.rollout)
        )
        kl = policies.penalty
        penalty = None if kl is None else method.beta * kl.log_ratio
        rewards = token_rewards(np.nan_to_num(earned), penalty, mask)
        if method.whiten_rewards:
            rewards = whitened(rewards, mask, centred=False)
        found, returns = advantages_and_returns(rewards, policies.values, mask, method.gamma, method.lam)
        shown = whitened(found, mask) if method.normalize_advantages else found
        told = reward_metrics(table, totals, np.full(len(totals), np.nan), names)
        told.pop("frac_reward_zero_std")  # of a critic no group teaches nothing
        return Foretold(
            shown.astype(np.float32),
            totals,
            np.ones(len(batch.rows), np.bool_),
            told | _critic_metrics(policies.values, returns, mask),
            whole=(shown.sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)).astype(np.float32),
            returns=returns,
        )

    def _prepare(self, batch: Batch, policies: Policies, advantages: Advantages) -> Experience:
        """The rollout with what the critic foretold and should have foretold."""
        assert isinstance(advantages, Foretold)
        made = super()._prepare(batch, policies, advantages)
        return replace(made, values=policies.values, returns=advantages.returns)

    def _loss_mask(self, batch: Batch) -> NDArray[np.float32]:
        """As ever; what no reward judged is left out: a critic would take it for a reward of 0."""
        judged = ~np.isnan(batch.totals)
        return super()._loss_mask(batch) * judged[:, None].astype(np.float32)


def _critic_metrics(values: Floats, returns: Floats, mask: Floats) -> dict[str, float]:
    found = returns[mask > 0]
    return {
        "critic/explained_variance": explained_variance(values, returns, mask),
        "critic/return": float(found.mean()) if len(found) else float("nan"),
    }
