"""PPO with a critic: the classical way of learning from a reward model (RLHF)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from droid_tune.config.base import setting
from droid_tune.config.recipes.policy_method import (
    Beta,
    Compare,
    KLInReward,
    Loss,
    PolicyMethodConfig,
    Whiten,
)
from droid_tune.config.recipes.sampling_method import Passes, SmallGroup
from droid_tune.names import Way


class PPOConfig(PolicyMethodConfig):
    """Proximal Policy Optimization (arXiv 1707.06347) as RLHF has it (arXiv 2009.01325). Names and defaults are TRL's."""

    aliases: ClassVar[dict[str, str]] = {
        **PolicyMethodConfig.aliases,
        "num_ppo_epochs": "num_iterations",
        "cliprange": "epsilon",
        "cliprange_value": "value_clip",
        "vf_coef": "value_weight",
    }
    card: ClassVar[str] = "grpo"
    way: ClassVar[Way] = "actor_critic"
    label: ClassVar[str] = "PPO"
    summary: ClassVar[str] = (
        "A critic on the same base foretells the reward token by token: one answer per prompt will do. RLHF's classic, for "
        "reward models."
    )
    type: Literal["ppo"] = "ppo"
    group_size: SmallGroup = 4
    num_iterations: Passes = 4
    baseline: Compare = "critic"
    loss_type: Loss = "bnpo"
    beta: Beta = 0.05
    kl_in_reward: KLInReward = True
    normalize_advantages: Whiten = True
    gamma: float = setting(1.0, "Discount (gamma)", advanced=True, ge=0, le=1)
    """How much a later reward counts; 1: as much as one now."""
    lam: float = setting(0.95, "Trust in the critic (lambda)", advanced=True, ge=0, le=1)
    """1 goes by the rewards alone, 0 by what the critic foretells of the next token."""
    value_clip: float = setting(0.2, "Clip width of values", advanced=True, ge=0, le=100)
    """How far the critic may move from what it foretold at rollout before its gradient is cut; 0 is off."""
    value_weight: float = setting(0.1, "Weight of the critic's loss", advanced=True, gt=0, le=100)
    """Beside the policy's: it acts where the gradients of both are clipped together."""
    whiten_rewards: bool = setting(False, "Scale rewards by their spread", advanced=True)
    """Token rewards are divided by their spread over the rollout before the critic sees them."""
    missing_eos_penalty: float | None = setting(None, "Cost of not ending", advanced=True, ge=0)
    """Taken off the reward of answers that were cut off; empty is none."""

    @model_validator(mode="after")
    def _a_critic_compares(self) -> Self:
        if self.baseline != "critic":
            raise ValueError(
                f"`baseline` of ppo is its critic; choose another method to compare with {self.baseline}"
            )
        if not self.kl_in_reward:
            raise ValueError(
                "`kl_in_reward` is how ppo holds the model to its start; set `beta` to 0 instead"
            )
        if self.dynamic_sampling:
            raise ValueError("`dynamic_sampling` compares groups, and ppo has a critic; leave it off")
        return self
