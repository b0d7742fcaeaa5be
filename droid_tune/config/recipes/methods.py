"""The training methods, each a recipe: what it sets otherwise than its family (ALGORITHMS.md, "Methods")."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from droid_tune.config.base import MethodConfig, configs_by_type, setting
from droid_tune.config.recipes.online_methods import NashMDConfig, OnlineDPOConfig, XPOConfig
from droid_tune.config.recipes.policy_method import (
    Beta,
    Epsilon,
    EpsilonHigh,
    Level,
    Loss,
    PolicyMethodConfig,
    Resample,
    Scale,
)
from droid_tune.config.recipes.ppo_method import PPOConfig
from droid_tune.config.recipes.preference_methods import (
    BCOConfig,
    CPOConfig,
    DPOConfig,
    KTOConfig,
    ORPOConfig,
    RewardModelConfig,
    SimPOConfig,
    TPOConfig,
)
from droid_tune.config.recipes.sampling_method import MaskTruncated
from droid_tune.config.recipes.teaching_methods import (
    DistillationConfig,
    GKDConfig,
    SDFTConfig,
    SDPOConfig,
    SelfDistillationConfig,
)
from droid_tune.config.recipes.variant_methods import (
    A2POConfig,
    GMPOConfig,
    MaxRLConfig,
    ReinforcePPConfig,
    RLOOConfig,
)
from droid_tune.names import Need, Way


class GRPOConfig(PolicyMethodConfig):
    """Group Relative Policy Optimization (arXiv 2402.03300)."""

    label: ClassVar[str] = "GRPO"
    summary: ClassVar[str] = (
        "Answers are compared within their group; the better ones become likelier. The place to start."
    )
    type: Literal["grpo"] = "grpo"
    beta: Beta = 0.04


class GSPOConfig(PolicyMethodConfig):
    """Group Sequence Policy Optimization (arXiv 2507.18071): the ratio of whole completions."""

    label: ClassVar[str] = "GSPO"
    summary: ClassVar[str] = (
        "Group Sequence Policy Optimization: clips whole completions; steadier on long answers and mixtures of experts."
    )
    type: Literal["gspo"] = "gspo"
    importance_sampling_level: Level = "sequence"
    epsilon: Epsilon = 3e-4
    epsilon_high: EpsilonHigh = 4e-4


class DrGRPOConfig(PolicyMethodConfig):
    """GRPO Done Right (arXiv 2503.20783): centred advantages, fixed-length mean."""

    label: ClassVar[str] = "Dr. GRPO"
    summary: ClassVar[str] = (
        "GRPO Done Right: no division by length or spread, so length earns nothing by itself."
    )
    type: Literal["dr_grpo"] = "dr_grpo"
    loss_type: Loss = "dr_grpo"
    scale_rewards: Scale = "none"


class DAPOConfig(PolicyMethodConfig):
    """Decoupled clip and Dynamic sAmpling (arXiv 2503.14476)."""

    label: ClassVar[str] = "DAPO"
    summary: ClassVar[str] = (
        "Decoupled clip and Dynamic sAmpling: trains on informative groups only, with more room upwards."
    )
    type: Literal["dapo"] = "dapo"
    loss_type: Loss = "dapo"
    epsilon_high: EpsilonHigh = 0.28
    mask_truncated_completions: MaskTruncated = True
    dynamic_sampling: Resample = True


class BNPOConfig(PolicyMethodConfig):
    """Batch-normalised token mean (TRL's bnpo)."""

    label: ClassVar[str] = "BNPO"
    summary: ClassVar[str] = "GRPO with one mean over all tokens of the batch: every token counts the same."
    type: Literal["bnpo"] = "bnpo"
    loss_type: Loss = "bnpo"


class SFTConfig(MethodConfig):
    """Supervised fine-tuning: imitate the answers in the data."""

    default_learning_rate: ClassVar[float] = 2e-4
    samples: ClassVar[bool] = False
    need: ClassVar[Need] = "demonstration"
    way: ClassVar[Way] = "supervised"
    label: ClassVar[str] = "SFT"
    summary: ClassVar[str] = (
        "Supervised fine-tuning: learns to answer like the examples. Fast, and a good start for GRPO."
    )
    type: Literal["sft"] = "sft"
    answer_only_loss: bool = setting(True, "Learn answers only")
    """The prompt is read but not learnt; off trains on every token."""
    packing: bool = setting(False, "Pack short rows", advanced=True)
    """Several rows share one sequence, which saves padding; they do not see each other."""


AnyMethod = Annotated[
    GRPOConfig
    | GSPOConfig
    | DrGRPOConfig
    | DAPOConfig
    | BNPOConfig
    | SFTConfig
    | RLOOConfig
    | ReinforcePPConfig
    | MaxRLConfig
    | GMPOConfig
    | A2POConfig
    | PPOConfig
    | SelfDistillationConfig
    | SDFTConfig
    | SDPOConfig
    | DistillationConfig
    | GKDConfig
    | OnlineDPOConfig
    | XPOConfig
    | NashMDConfig
    | DPOConfig
    | SimPOConfig
    | ORPOConfig
    | KTOConfig
    | CPOConfig
    | TPOConfig
    | BCOConfig
    | RewardModelConfig,
    Field(discriminator="type"),
]
METHOD_CONFIGS: dict[str, type[MethodConfig]] = configs_by_type(AnyMethod)
