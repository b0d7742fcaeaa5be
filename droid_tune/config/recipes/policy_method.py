"""What the group-relative methods set (ALGORITHMS.md, "Methods"): one set of fields, because they share one loop.

The types at the top are of settings for which methods have defaults of their own (methods.py); an override keeps title
and bounds by its type, and the description by its name.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import field_validator, model_validator

from droid_tune.config.base import setting
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.names import (
    Aggregation,
    Baseline,
    CorrectionMode,
    LossType,
    PromptSelection,
    RatioLevel,
    ReferenceMode,
    RowLoss,
    SamplerCorrection,
    ScaleRewards,
    UnclippedLoss,
)

Beta = Annotated[float, setting(title="KL penalty", ge=0, le=10)]
Epsilon = Annotated[float, setting(title="Clip width", gt=0, lt=1)]
EpsilonHigh = Annotated[float | None, setting(title="Upper clip width", advanced=True, gt=0, le=100)]
Level = Annotated[RatioLevel, setting(title="Ratio level", advanced=True)]
Loss = Annotated[LossType, setting(title="Loss", advanced=True)]
Scale = Annotated[ScaleRewards, setting(title="Scale rewards by", advanced=True)]
Compare = Annotated[Baseline, setting(title="Compare rewards with", advanced=True)]
KLInReward = Annotated[bool, setting(title="KL penalty in the reward", advanced=True)]
Whiten = Annotated[bool, setting(title="Normalise over the batch", advanced=True)]
UnbiasedKL = Annotated[bool, setting(title="KL bias correction", advanced=True)]
Resample = Annotated[bool, setting(title="Sample again where all rewards are equal", advanced=True)]


class PolicyMethodConfig(SamplingMethodConfig):
    """Group-relative policy optimisation: the fields shared by GRPO and its descendants."""

    aliases: ClassVar[dict[str, str]] = {
        "kl_coef": "beta",
        "ppo_epochs": "num_iterations",
        "num_generations": "group_size",
        "grpo_loss_type": "loss_type",
        "advantage_aggregation": "multi_objective_aggregation",
    }

    beta: Beta = 0.0
    """How strongly the model is held to what it was before (beta). 0 skips the reference pass and saves time."""
    epsilon: Epsilon = 0.2
    """How far a token's probability may move from where it was sampled before its gradient is cut (epsilon)."""
    epsilon_high: EpsilonHigh = None
    """A width of its own upwards (epsilon_high); empty: the same as the clip width. For CISPO the cap itself."""
    delta: float | None = setting(None, "Ratio ceiling", advanced=True, gt=1)
    """Upper bound on the unclipped ratio (delta, two-sided clipping); empty is off."""
    loss_type: Loss = "grpo"
    """The form of the policy loss and how it is averaged over tokens and completions."""
    importance_sampling_level: Level = "token"
    """Whether the probability ratio is taken token by token (GRPO) or over the whole completion (GSPO)."""
    scale_rewards: Scale = "group"
    """Divide a group's rewards by the spread of the group, of the whole batch, or not at all (Dr. GRPO)."""
    multi_objective_aggregation: Aggregation = setting("sum_then_normalize", "Combine rewards", advanced=True)
    """Add the weighted rewards and then normalise (usual), or normalise each reward first (GDPO)."""
    baseline: Compare = "group"
    """What a completion's reward is compared with: its group's mean, the others of its group (RLOO), the whole batch
    (REINFORCE++), or its group's success rate (MaxRL). `value` is A*-PO's, `critic` PPO's.
    """
    reward_clip_range: tuple[float, float] | None = setting(None, "Reward bounds", advanced=True)
    """Rewards outside are held at the nearer bound; empty is off. Not for the group's mean."""
    kl_in_reward: KLInReward = False
    """Take the KL penalty off the reward when a completion is sampled, instead of adding it to the loss."""
    normalize_advantages: Whiten = False
    """Divide advantages by their spread over the whole batch. The comparison with the batch does it in any case."""
    advantage_eps: float = setting(1e-4, "Advantage epsilon", advanced=True, gt=0, le=1)
    """Added to the standard deviation before dividing."""
    use_bias_correction_kl: UnbiasedKL = True
    """Weigh the KL term by the probability ratio, which makes its gradient unbiased."""
    top_entropy_quantile: float = setting(1.0, "Share of tokens trained on", advanced=True, ge=0, le=1)
    """Keep only this share of tokens, those with the highest entropy; 1 keeps all."""
    off_policy_mask_threshold: float | None = setting(None, "Off-policy threshold", advanced=True, gt=0)
    """Leave out bad completions that the model has drifted away from by more than this; empty is off."""
    entropy_coef: float = setting(0.0, "Entropy bonus", advanced=True, ge=0, le=1)
    """Reward for staying undecided; 0 is off."""
    entropy_target: float | None = setting(None, "Entropy target", advanced=True, ge=0)
    """Adapt the entropy bonus towards this entropy (nats per token); empty keeps it fixed."""
    entropy_coef_delta: float = setting(0.005, "Entropy bonus step", advanced=True, ge=0)
    """Change of the adaptive bonus per update."""
    entropy_coef_min: float = setting(0.0, "Least entropy bonus", advanced=True, ge=0)
    """Lower bound of the adaptive bonus."""
    entropy_coef_max: float = setting(1.0, "Largest entropy bonus", advanced=True, ge=0)
    """Upper bound of the adaptive bonus."""
    sampler_correction: SamplerCorrection = setting("auto", "Sampler correction", advanced=True)
    """Weigh what was drawn by how likely the model itself finds it, where the sampler differs from it: by filters, or by keys
    and values in few bits. Auto does so for the latter alone, as filters are usually meant.
    """
    sampler_clip_max: float = setting(3.0, "Correction ceiling", advanced=True, gt=0)
    """Upper bound of the sampler correction."""
    sampler_clip_min: float | None = setting(None, "Correction floor", advanced=True, ge=0)
    """Lower bound of the sampler correction; empty is none."""
    prompt_selection: PromptSelection = setting("shuffled", "Choose prompts", advanced=True)
    """Every row once an epoch, or by what a row's groups showed so far: mixed ones often, solved and hopeless ones rest and
    come back. For data that is gone through more than once.
    """
    train_completions: int | None = setting(None, "Completions trained on", advanced=True, ge=2, le=63)
    """Of each prompt's completions train only on this many, those whose rewards differ most (PODS), compared with each other
    alone. Sampling many costs little beside training on them. The others are told as not trained on; empty trains on all.
    """
    dynamic_sampling: Resample = False
    """Replace groups that teach nothing by fresh prompts (DAPO's dynamic sampling)."""
    dynamic_sampling_rounds: int = setting(3, "Extra sampling rounds", advanced=True, ge=1, le=16)
    """At most this many further rounds per step."""
    overlong_cache: int | None = setting(None, "Overlong margin", advanced=True, unit="tokens", ge=1)
    """Punish completions that come within this many tokens of the limit (DAPO); empty is off."""
    sapo_temperature_pos: float = setting(1.0, "SAPO temperature (+)", advanced=True, gt=0)
    """For completions better than their group."""
    sapo_temperature_neg: float = setting(1.05, "SAPO temperature (-)", advanced=True, gt=0)
    """For completions worse than their group."""
    vespo_k_pos: float = setting(2.0, "VESPO k (+)", advanced=True, ge=0)
    """Shape for positive advantages."""
    vespo_lambda_pos: float = setting(3.0, "VESPO lambda (+)", advanced=True, ge=0)
    """Decay for positive advantages."""
    vespo_k_neg: float = setting(3.0, "VESPO k (-)", advanced=True, ge=0)
    """Shape for negative advantages."""
    vespo_lambda_neg: float = setting(2.0, "VESPO lambda (-)", advanced=True, ge=0)
    """Decay for negative advantages."""
    beta2: float = setting(1e-3, "A*-PO beta 2", advanced=True, gt=0)
    """Scale of the implicit reward in the loss a2po."""
    reference_mode: ReferenceMode = setting("static", "Reference", advanced=True)
    """What the KL penalty compares with: the starting model, a moving average, or a copy renewed now and then.
    """
    ema_alpha: float = setting(0.99, "Reference memory", advanced=True, ge=0, le=1)
    """Weight of the old reference in the moving average."""
    reference_update_freq: int = setting(100, "Renew the reference every", advanced=True, unit="steps", ge=1)
    """Steps between copies in periodic mode."""

    @property
    def learnt_group(self) -> int:
        """Those of the largest variance, where some are left out."""
        return self.train_completions or self.group_size

    def needs_old_logprobs(self, accumulated: int, cache_bits: int = 0) -> bool:
        """Whether the log-probabilities at rollout time must be computed before an update is made of it.

        A sampler correction and a penalty in the reward compare with them and always need them.
        """
        corrected = self.correction(cache_bits) is not None
        return corrected or self.kl_in_reward or super().needs_old_logprobs(accumulated)

    def correction(self, cache_bits: int) -> CorrectionMode | None:
        """How what was drawn from keys and values in so many bits (0: as they are) is corrected; None: not at all."""
        if self.sampler_correction == "auto":
            whole = self.loss_type in get_args(RowLoss)
            return None if not cache_bits else "sequence_truncate" if whole else "token_truncate"
        return None if self.sampler_correction == "off" else self.sampler_correction

    @property
    def needs_reference(self) -> bool:
        """Whether completions are scored under the reference: for a KL penalty, or as A*-PO's own measure."""
        return self.beta > 0 or self.loss_type == "a2po"

    @property
    def keeps_reference(self) -> bool:
        """One that moves is a copy of what is trained."""
        return self.reference_mode != "static"

    @property
    def kl_weight(self) -> float:
        """The weight of the KL term in the loss itself."""
        return 0.0 if self.kl_in_reward else self.beta

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
    def _rows_and_ratios_fit(self) -> Self:
        if self.loss_type == "rloo" and not self.importance_sampling_level.startswith("sequence_sum"):
            raise ValueError(
                "the loss rloo takes whole completions: `importance_sampling_level` must be sequence_sum"
            )
        if self.loss_type == "gmpo" and self.importance_sampling_level != "token":
            raise ValueError(
                "the loss gmpo makes its own mean of tokens: `importance_sampling_level` must be token"
            )
        if (self.loss_type == "a2po") != (self.baseline == "value"):
            raise ValueError("the loss a2po and the baseline value belong together; choose the method a2po")
        if self.baseline == "critic" and getattr(self, "type", "") != "ppo":
            raise ValueError("the baseline critic needs a critic; choose the method ppo")
        if self.loss_type in get_args(RowLoss) and self.sampler_correction.startswith("token"):
            raise ValueError(
                f"`sampler_correction` {self.sampler_correction} weighs tokens, and the loss {self.loss_type} has none; use "
                "sequence_mask or sequence_truncate"
            )
        if self.kl_in_reward and not self.baseline_takes_kl:
            raise ValueError(
                f"`kl_in_reward` does not go with the baseline {self.baseline}; it goes with leave_one_out, batch and critic"
            )
        return self

    @property
    def baseline_takes_kl(self) -> bool:
        """Whether a penalty on the reward survives the comparison."""
        return self.baseline in ("leave_one_out", "batch", "critic")

    @model_validator(mode="after")
    def _some_are_left_out(self) -> Self:
        if self.train_completions is None:
            return self
        if self.train_completions >= self.group_size:
            raise ValueError(
                f"`train_completions` {self.train_completions} must be smaller than `group_size` {self.group_size}: with it "
                "empty, all are trained on"
            )
        if self.baseline != "group":
            raise ValueError(
                f"`train_completions` compares what it keeps of a group; the baseline {self.baseline} needs every completion: "
                "leave it empty"
            )
        return self

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if self.baseline != "group":
            for name in ("scale_rewards", "multi_objective_aggregation"):
                if (
                    name in self.model_fields_set
                    and getattr(self, name) != type(self).model_fields[name].default
                ):
                    raise ValueError(
                        f"`{name}` acts within groups; it has no effect with the baseline {self.baseline}"
                    )
        elif self.reward_clip_range is not None or self.normalize_advantages:
            raise ValueError(
                "`reward_clip_range` and `normalize_advantages` have no effect with the baseline group; use `scale_rewards`"
            )
        if self.reward_clip_range is not None and self.reward_clip_range[0] >= self.reward_clip_range[1]:
            raise ValueError("`reward_clip_range` must be (lowest, highest)")
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
