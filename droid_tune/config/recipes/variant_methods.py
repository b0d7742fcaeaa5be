"""Policy-gradient methods known by a name of their own: what each sets otherwise than its family.

They are recipes of the same loop as GRPO. What they differ in is what a reward is compared with (methods/baselines.py) and
how a completion counts (methods/losses/objectives.py).
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from droid_tune.config.base import setting
from droid_tune.config.recipes.policy_method import (
    Beta,
    Compare,
    Epsilon,
    KLInReward,
    Level,
    Loss,
    PolicyMethodConfig,
    UnbiasedKL,
    Whiten,
)
from droid_tune.config.recipes.sampling_method import SmallGroup


class RLOOConfig(PolicyMethodConfig):
    """REINFORCE Leave-One-Out (arXiv 2402.14740): whole completions, each compared with the others of its group."""

    card: ClassVar[str] = "grpo"
    label: ClassVar[str] = "RLOO"
    summary: ClassVar[str] = (
        "REINFORCE Leave-One-Out: each answer is compared with its group's other answers; the KL penalty is in the reward."
    )
    type: Literal["rloo"] = "rloo"
    baseline: Compare = "leave_one_out"
    loss_type: Loss = "rloo"
    importance_sampling_level: Level = "sequence_sum"
    beta: Beta = 0.05
    kl_in_reward: KLInReward = True


class ReinforcePPConfig(PolicyMethodConfig):
    """REINFORCE++ (arXiv 2501.03262): rewards compared over the whole batch, PPO's clip, no critic."""

    card: ClassVar[str] = "grpo"
    label: ClassVar[str] = "REINFORCE++"
    summary: ClassVar[str] = (
        "Rewards are compared over the whole batch instead of within groups: fewer answers per prompt will do."
    )
    type: Literal["reinforce_pp"] = "reinforce_pp"
    group_size: SmallGroup = 4
    baseline: Compare = "batch"
    loss_type: Loss = "bnpo"
    beta: Beta = 0.01
    kl_in_reward: KLInReward = True


class MaxRLConfig(PolicyMethodConfig):
    """Maximum Likelihood RL (arXiv 2602.02710): the gradient of the log of the pass rate; hard prompts count more."""

    card: ClassVar[str] = "grpo"
    label: ClassVar[str] = "MaxRL"
    summary: ClassVar[str] = (
        "Follows the logarithm of the success rate: what rarely succeeds counts more. For rewards of 0 and 1."
    )
    type: Literal["maxrl"] = "maxrl"
    baseline: Compare = "success_rate"
    loss_type: Loss = "bnpo"


class GMPOConfig(PolicyMethodConfig):
    """Geometric-Mean Policy Optimization (arXiv 2507.20673): a completion counts by the geometric mean of its ratios."""

    card: ClassVar[str] = "grpo"
    label: ClassVar[str] = "GMPO"
    summary: ClassVar[str] = (
        "Takes the geometric mean of a completion's ratios: single odd tokens move it less than in GRPO."
    )
    type: Literal["gmpo"] = "gmpo"
    loss_type: Loss = "gmpo"
    epsilon: Epsilon = 0.4
    use_bias_correction_kl: UnbiasedKL = False


class A2POConfig(PolicyMethodConfig):
    """A*-PO (arXiv 2505.20686): the best value of a prompt from a few reference samples, then one answer a step."""

    card: ClassVar[str] = "grpo"
    label: ClassVar[str] = "A*-PO"
    summary: ClassVar[str] = (
        "First looks how well the starting model does on a prompt, then learns from a single answer: cheap steps."
    )
    type: Literal["a2po"] = "a2po"
    group_size: SmallGroup = 1
    baseline: Compare = "value"
    loss_type: Loss = "a2po"
    importance_sampling_level: Level = "none"
    normalize_advantages: Whiten = False
    beta1: float = setting(0.5, "Value sharpness (beta 1)", advanced=True, gt=0, le=100)
    """How near the value of a prompt comes to its best reference answer: small takes the best, large the mean."""
    value_samples: int = setting(8, "Reference answers per prompt", ge=1, le=64)
    """Sampled once for each prompt, when it comes first, from the model as it was before training."""
    filter_all_incorrect: bool = setting(True, "Leave out hopeless prompts", advanced=True)
    """Prompts whose reference answers all earn 0 are left out."""

    @model_validator(mode="after")
    def _values_stay(self) -> Self:
        if self.baseline != "value" or self.loss_type != "a2po":
            raise ValueError(
                "`baseline` and `loss_type` of a2po are fixed; choose another method to change them"
            )
        return self
