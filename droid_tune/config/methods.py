"""What each training method sets (ALGORITHMS.md, "Methods"): the closed configs behind the form.

The group-relative methods share one set of fields and differ in their defaults only, because they
share one loop: a method is a recipe.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import (
    Aggregation,
    LossType,
    RatioLevel,
    ReferenceMode,
    SamplerCorrection,
    ScaleRewards,
    UnclippedLoss,
)

GroupSize = Annotated[
    int,
    setting(
        "Completions per prompt",
        "The group: how many answers are sampled for each prompt and compared with each other. More gives a steadier "
        "signal and takes longer.",
        ge=2,
        le=64,
    ),
]
Beta = Annotated[
    float,
    setting(
        "KL penalty",
        "How strongly the model is held to what it was before (beta). 0 skips the reference pass and saves time.",
        ge=0,
        le=10,
    ),
]
Epsilon = Annotated[
    float,
    setting(
        "Clip width",
        "How far a token's probability may move from where it was sampled before its gradient is cut (epsilon).",
        gt=0,
        lt=1,
    ),
]
EpsilonHigh = Annotated[
    float | None,
    setting(
        "Upper clip width",
        "A width of its own upwards (epsilon_high); empty: the same as the clip width. For CISPO the cap itself.",
        advanced=True,
        gt=0,
        le=100,
    ),
]
Level = Annotated[
    RatioLevel,
    setting(
        "Ratio level",
        "Whether the probability ratio is taken token by token (GRPO) or over the whole completion (GSPO).",
        advanced=True,
    ),
]
Loss = Annotated[
    LossType,
    setting(
        "Loss",
        "The form of the policy loss and how it is averaged over tokens and completions.",
        advanced=True,
    ),
]
Scale = Annotated[
    ScaleRewards,
    setting(
        "Scale rewards by",
        "Divide a group's rewards by the spread of the group, of the whole batch, or not at all (Dr. GRPO).",
        advanced=True,
    ),
]
MaskTruncated = Annotated[
    bool,
    setting(
        "Leave out cut-off completions",
        "Completions that hit the length limit set the group's baseline but are not trained on.",
        advanced=True,
    ),
]
Resample = Annotated[
    bool,
    setting(
        "Sample again where all rewards are equal",
        "Replace groups that teach nothing by fresh prompts (DAPO's dynamic sampling).",
        advanced=True,
    ),
]


class MethodConfig(Closed):
    """What every method has."""

    #: the starting learning rate of an adapter when the user gives none
    default_learning_rate: ClassVar[float] = 1e-5
    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""


class PolicyMethodConfig(MethodConfig):
    """Group-relative policy optimisation: the fields shared by GRPO and its descendants."""

    aliases: ClassVar[dict[str, str]] = {
        "kl_coef": "beta",
        "ppo_epochs": "num_iterations",
        "num_generations": "group_size",
        "grpo_loss_type": "loss_type",
        "advantage_aggregation": "multi_objective_aggregation",
    }

    group_size: GroupSize = 8
    beta: Beta = 0.0
    epsilon: Epsilon = 0.2
    epsilon_high: EpsilonHigh = None
    delta: Annotated[
        float | None,
        setting(
            "Ratio ceiling",
            "Upper bound on the unclipped ratio (delta, two-sided clipping); empty is off.",
            advanced=True,
            gt=1,
        ),
    ] = None
    loss_type: Loss = "grpo"
    importance_sampling_level: Level = "token"
    scale_rewards: Scale = "group"
    multi_objective_aggregation: Annotated[
        Aggregation,
        setting(
            "Combine rewards",
            "Add the weighted rewards and then normalise (usual), or normalise each reward first (GDPO).",
            advanced=True,
        ),
    ] = "sum_then_normalize"
    advantage_eps: Annotated[
        float,
        setting(
            "Advantage epsilon", "Added to the standard deviation before dividing.", advanced=True, gt=0, le=1
        ),
    ] = 1e-4
    num_iterations: Annotated[
        int,
        setting(
            "Passes over a rollout",
            "How often one batch of completions is used for training (mu in the paper).",
            ge=1,
            le=16,
        ),
    ] = 1
    steps_per_generation: Annotated[
        int,
        setting(
            "Slices per rollout",
            "Cut a rollout into this many slices, each trained on in turn. With more slices than are accumulated, one "
            "rollout feeds several updates.",
            advanced=True,
            ge=1,
            le=64,
        ),
    ] = 1
    use_bias_correction_kl: Annotated[
        bool,
        setting(
            "KL bias correction",
            "Weigh the KL term by the probability ratio, which makes its gradient unbiased.",
            advanced=True,
        ),
    ] = True
    top_entropy_quantile: Annotated[
        float,
        setting(
            "Share of tokens trained on",
            "Keep only this share of tokens, those with the highest entropy; 1 keeps all.",
            advanced=True,
            ge=0,
            le=1,
        ),
    ] = 1.0
    off_policy_mask_threshold: Annotated[
        float | None,
        setting(
            "Off-policy threshold",
            "Leave out bad completions that the model has drifted away from by more than this; empty is off.",
            advanced=True,
            gt=0,
        ),
    ] = None
    entropy_coef: Annotated[
        float, setting("Entropy bonus", "Reward for staying undecided; 0 is off.", advanced=True, ge=0, le=1)
    ] = 0.0
    entropy_target: Annotated[
        float | None,
        setting(
            "Entropy target",
            "Adapt the entropy bonus towards this entropy (nats per token); empty keeps it fixed.",
            advanced=True,
            ge=0,
        ),
    ] = None
    entropy_coef_delta: Annotated[
        float, setting("Entropy bonus step", "Change of the adaptive bonus per update.", advanced=True, ge=0)
    ] = 0.005
    entropy_coef_min: Annotated[
        float, setting("Least entropy bonus", "Lower bound of the adaptive bonus.", advanced=True, ge=0)
    ] = 0.0
    entropy_coef_max: Annotated[
        float, setting("Largest entropy bonus", "Upper bound of the adaptive bonus.", advanced=True, ge=0)
    ] = 1.0
    sampler_correction: Annotated[
        SamplerCorrection,
        setting(
            "Sampler correction",
            "Correct for a sampler that differs from the scored model (filters, quantised cache).",
            advanced=True,
        ),
    ] = "off"
    sampler_clip_max: Annotated[
        float, setting("Correction ceiling", "Upper bound of the sampler correction.", advanced=True, gt=0)
    ] = 3.0
    sampler_clip_min: Annotated[
        float | None,
        setting(
            "Correction floor", "Lower bound of the sampler correction; empty is none.", advanced=True, ge=0
        ),
    ] = None
    mask_truncated_completions: MaskTruncated = False
    dynamic_sampling: Resample = False
    dynamic_sampling_rounds: Annotated[
        int,
        setting(
            "Extra sampling rounds", "At most this many further rounds per step.", advanced=True, ge=1, le=16
        ),
    ] = 3
    overlong_cache: Annotated[
        int | None,
        setting(
            "Overlong margin",
            "Punish completions that come within this many tokens of the limit (DAPO); empty is off.",
            advanced=True,
            unit="tokens",
            ge=1,
        ),
    ] = None
    sapo_temperature_pos: Annotated[
        float,
        setting("SAPO temperature (+)", "For completions better than their group.", advanced=True, gt=0),
    ] = 1.0
    sapo_temperature_neg: Annotated[
        float, setting("SAPO temperature (-)", "For completions worse than their group.", advanced=True, gt=0)
    ] = 1.05
    vespo_k_pos: Annotated[
        float, setting("VESPO k (+)", "Shape for positive advantages.", advanced=True, ge=0)
    ] = 2.0
    vespo_lambda_pos: Annotated[
        float, setting("VESPO lambda (+)", "Decay for positive advantages.", advanced=True, ge=0)
    ] = 3.0
    vespo_k_neg: Annotated[
        float, setting("VESPO k (-)", "Shape for negative advantages.", advanced=True, ge=0)
    ] = 3.0
    vespo_lambda_neg: Annotated[
        float, setting("VESPO lambda (-)", "Decay for negative advantages.", advanced=True, ge=0)
    ] = 2.0
    reference_mode: Annotated[
        ReferenceMode,
        setting(
            "Reference",
            "What the KL penalty compares with: the starting model, a moving average, or a copy renewed now and then.",
            advanced=True,
        ),
    ] = "static"
    ema_alpha: Annotated[
        float,
        setting(
            "Reference memory",
            "Weight of the old reference in the moving average.",
            advanced=True,
            ge=0,
            le=1,
        ),
    ] = 0.99
    reference_update_freq: Annotated[
        int,
        setting(
            "Renew the reference every",
            "Steps between copies in periodic mode.",
            advanced=True,
            unit="steps",
            ge=1,
        ),
    ] = 100

    @field_validator("importance_sampling_level", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        """Other trainers write null for a ratio of 1."""
        return "none" if value is None else value

    @field_validator("scale_rewards", mode="before")
    @classmethod
    def _switch_is_group_or_none(cls, value: Any) -> Any:
        """TRL's older configs have a switch here."""
        return {True: "group", False: "none"}[value] if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _cap_given(self) -> Self:
        if self.loss_type == "cispo" and self.epsilon_high is None:
            raise ValueError(
                "`epsilon_high` must be set for the loss cispo (5.0 in ScaleRL): it is the cap itself"
            )
        return self

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.entropy_coef_min > self.entropy_coef_max:
            raise ValueError("`entropy_coef_min` must not exceed `entropy_coef_max`")
        if self.sampler_clip_min is not None and self.sampler_clip_min > self.sampler_clip_max:
            raise ValueError("`sampler_clip_min` must not exceed `sampler_clip_max`")
        return self

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if self.reference_mode != "static" and self.beta == 0:
            raise ValueError(
                f"`reference_mode` {self.reference_mode} has no effect while `beta` is 0, because nothing is compared with "
                "the reference; set `beta`, or leave the reference static"
            )
        if self.delta is not None and self.loss_type in get_args(UnclippedLoss):
            raise ValueError(
                f"`delta` has no effect on the loss {self.loss_type}, which has no unclipped ratio; leave it empty"
            )
        return self


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
    label: ClassVar[str] = "SFT"
    summary: ClassVar[str] = (
        "Supervised fine-tuning: learns to answer like the examples. Fast, and a good start for GRPO."
    )
    type: Literal["sft"] = "sft"
    answer_only_loss: Annotated[
        bool, setting("Learn answers only", "The prompt is read but not learnt; off trains on every token.")
    ] = True
    packing: Annotated[
        bool,
        setting(
            "Pack short rows",
            "Several rows share one sequence, which saves padding; they do not see each other.",
            advanced=True,
        ),
    ] = False


AnyMethod = Annotated[
    GRPOConfig | GSPOConfig | DrGRPOConfig | DAPOConfig | BNPOConfig | SFTConfig, Field(discriminator="type")
]
METHOD_CONFIGS: dict[str, type[MethodConfig]] = {
    "grpo": GRPOConfig,
    "gspo": GSPOConfig,
    "dr_grpo": DrGRPOConfig,
    "dapo": DAPOConfig,
    "bnpo": BNPOConfig,
    "sft": SFTConfig,
}
