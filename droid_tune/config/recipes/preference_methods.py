"""Preference learning: methods that learn from pairs of answers, or from single answers with a verdict.

Names are TRL's where it has them; the defaults are the papers' (TRL's own `simpo`, for one, keeps CPO's likelihood term).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from droid_tune.config.base import MethodConfig, setting
from droid_tune.names import CPOLoss, DPOLoss, FDivergence, KTOLoss, Need, TooLong, TPOLoss, Way

PairBeta = Annotated[float, setting(title="Strength (beta)", gt=0, le=100)]
Smoothing = Annotated[float, setting(title="Label noise", advanced=True, ge=0, lt=0.5)]
SidesLoss = Annotated[CPOLoss, setting(title="Loss", advanced=True)]
Likelihood = Annotated[float, setting(title="Likelihood of chosen answers", advanced=True, ge=0, le=100)]

#: losses whose score is a divergence of the whole answer
DIVERGING: frozenset[DPOLoss] = frozenset(
    ("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft")
)
#: losses in which label smoothing acts
SMOOTHING: frozenset[DPOLoss] = frozenset(("robust", "exo_pair", "aot", "aot_unpaired"))


class PreferenceConfig(MethodConfig):
    """What every method that learns from judged answers has."""

    default_learning_rate: ClassVar[float] = 1e-5
    samples: ClassVar[bool] = False
    need: ClassVar[Need] = "preference"
    way: ClassVar[Way] = "preference"
    #: answers that belong to one row: they are compared, so they stay together
    answers: ClassVar[int] = 2
    #: whether the loss compares with the model before training
    compares: ClassVar[bool] = False
    #: whether the prompts of chosen answers are learnt as well
    learns_prompt: ClassVar[bool] = False

    too_long: TooLong = setting("cut_end", "Too long rows", advanced=True)
    """Prompt and answer beyond the longest sequence: their end is cut off, as TRL does, or the row is left out."""
    packing: bool = setting(False, "Pack short rows", advanced=True)
    """Several answers share one sequence, which saves padding; they do not see each other."""


class ImplicitRewardConfig(PreferenceConfig):
    """Methods in which an answer's likelihood is its reward."""

    beta: PairBeta = 0.1
    """How strongly the model is held to what it was before: more stays closer."""


class DPOConfig(ImplicitRewardConfig):
    """Direct Preference Optimization (arXiv 2305.18290), with the losses of its descendants."""

    aliases: ClassVar[dict[str, str]] = {"dpo_cpo_loss_type": "loss_type"}
    label: ClassVar[str] = "DPO"
    summary: ClassVar[str] = (
        "Direct Preference Optimization: the chosen answer becomes likelier than the rejected one, measured against the "
        "model as it was."
    )
    compares: ClassVar[bool] = True
    type: Literal["dpo"] = "dpo"
    loss_type: tuple[DPOLoss, ...] = setting(("sigmoid",), "Loss", advanced=True, min_length=1)
    """What is made of a pair; several are added with their weights (sigmoid and sft: RPO; sigmoid, bco_pair and sft: MPO)."""
    loss_weights: tuple[float, ...] = setting((), "Weights of the losses", advanced=True)
    """One for each loss, not normalised; empty: 1 each."""
    label_smoothing: Smoothing = 0.0
    """The share of pairs that may be the wrong way round. Acts in robust, exo_pair, aot and aot_unpaired."""
    f_divergence_type: FDivergence = setting("reverse_kl", "Divergence", advanced=True)
    """How the distance to the reference is measured (f-DPO); reverse_kl is DPO's."""
    f_alpha_divergence_coef: float = setting(0.5, "Alpha of alpha_divergence", advanced=True, ge=-10, le=10)
    """Near 1 it is the reverse KL, near 0 the forward one."""
    ld_alpha: float | None = setting(None, "Weight beyond the shorter answer", advanced=True, ge=0, le=1)
    """LD-DPO: tokens beyond the length of the pair's shorter answer count this much; empty: fully."""
    use_weighting: bool = setting(False, "Weigh pairs by their likelihood", advanced=True)
    """WPO: pairs that the model could have written itself count more."""
    discopop_tau: float = setting(0.05, "DiscoPOP temperature", advanced=True, gt=0)
    """Where the discopop loss changes from logistic to exponential."""

    @field_validator("loss_type", "loss_weights", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """A single loss may be given by its name, no weights as null."""
        if value is None:
            return ()
        return (value,) if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _losses_fit(self) -> Self:
        if self.loss_weights and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(
                f"`loss_weights` has {len(self.loss_weights)} numbers for {len(self.loss_type)} losses; give one each"
            )
        if len(set(self.loss_type)) != len(self.loss_type):
            raise ValueError("`loss_type` names a loss twice; raise its weight instead")
        kinds = set(self.loss_type)
        if self.f_divergence_type != "reverse_kl" and kinds - DIVERGING:
            raise ValueError(
                f"`f_divergence_type` {self.f_divergence_type} does not go with the loss "
                f"{sorted(kinds - DIVERGING)[0]}; it goes with {', '.join(sorted(DIVERGING))}"
            )
        if "exo_pair" in kinds and not self.label_smoothing:
            raise ValueError("the loss exo_pair needs `label_smoothing` above 0, such as 0.001")
        if self.label_smoothing and not kinds & SMOOTHING:
            raise ValueError(
                f"`label_smoothing` has no effect on the loss {self.loss_type[0]}; use robust, which takes wrong labels into "
                "account"
            )
        if self.use_weighting and kinds & {"aot", "aot_unpaired"}:
            raise ValueError("`use_weighting` does not go with aot and aot_unpaired, which sort the pairs")
        return self


class ContrastConfig(ImplicitRewardConfig):
    """Pairs compared without a reference model: one loss, of which CPO and SimPO are settings."""

    beta: PairBeta = 0.1
    """How sharply the two answers are told apart."""
    loss_type: SidesLoss = "sigmoid"
    """simpo compares per token and asks for a margin, sigmoid (CPO), hinge and ipo are the others."""
    simpo_gamma: float = setting(1.0, "Margin (gamma)", ge=0, le=100)
    """How much better the chosen answer must be; SimPO's papers use 0.3 to 1.6. Only the loss simpo reads it."""
    cpo_alpha: Likelihood = 1.0
    """How strongly the chosen answers are imitated besides (the NLL term)."""
    alpha: float = setting(0.0, "AlphaPO's alpha", advanced=True, ge=-10, le=10)
    """Bends the reward of an answer (AlphaPO, about 0.1 to 0.25); 0 is its logarithm."""
    label_smoothing: Smoothing = 0.0
    """The share of pairs that may be the wrong way round; acts in sigmoid and simpo."""

    @model_validator(mode="after")
    def _smoothing_acts(self) -> Self:
        if self.label_smoothing and self.loss_type in ("hinge", "ipo"):
            raise ValueError(f"`label_smoothing` has no effect on the loss {self.loss_type}; leave it 0")
        return self


class SimPOConfig(ContrastConfig):
    """Simple Preference Optimization (arXiv 2405.14734). TRL's `simpo` keeps CPO's likelihood term and beta 0.1."""

    label: ClassVar[str] = "SimPO"
    summary: ClassVar[str] = (
        "Simple Preference Optimization: compares the two answers per token, with a margin, without a reference."
    )
    type: Literal["simpo"] = "simpo"
    beta: PairBeta = 2.0
    loss_type: SidesLoss = "simpo"
    cpo_alpha: Likelihood = 0.0


class CPOConfig(ContrastConfig):
    """Contrastive Preference Optimization (arXiv 2401.08417)."""

    label: ClassVar[str] = "CPO"
    summary: ClassVar[str] = (
        "Contrastive Preference Optimization: imitates the chosen answer and pushes the rejected one away."
    )
    card: ClassVar[str] = "simpo"
    type: Literal["cpo"] = "cpo"


class ORPOConfig(ImplicitRewardConfig):
    """Odds Ratio Preference Optimization (arXiv 2403.07691)."""

    label: ClassVar[str] = "ORPO"
    summary: ClassVar[str] = (
        "Odds Ratio Preference Optimization: supervised fine-tuning and preference in one, from a base model."
    )
    learns_prompt: ClassVar[bool] = True
    type: Literal["orpo"] = "orpo"
    beta: PairBeta = 0.1
    """Weight of the odds ratio beside the likelihood (the paper's lambda)."""


class TPOConfig(ImplicitRewardConfig):
    """Triple Preference Optimization (arXiv 2405.16681): a pair and a gold answer (`reference`)."""

    label: ClassVar[str] = "TPO"
    summary: ClassVar[str] = (
        "Triple Preference Optimization: a pair is compared and a gold answer imitated, in one."
    )
    card: ClassVar[str] = "dpo"
    answers: ClassVar[int] = 3
    type: Literal["tpo"] = "tpo"
    beta: PairBeta = 0.01
    """How sharply the two answers are told apart."""
    loss_type: TPOLoss = setting("sigmoid", "Loss", advanced=True)
    """tpo-l compares per token and asks for a margin."""
    tpo_alpha: float = setting(1.0, "Likelihood of gold answers", ge=0, le=100)
    """How strongly the gold answers are imitated."""
    tpo_l_gamma: float = setting(0.5, "Margin of tpo-l", advanced=True, ge=0, le=100)
    """How much better the chosen answer must be."""
    label_smoothing: Smoothing = 0.0
    """The share of pairs that may be the wrong way round; acts in sigmoid and tpo-l."""


class VerdictConfig(ImplicitRewardConfig):
    """Learning from single answers that are said to be good or bad."""

    need: ClassVar[Need] = "verdict"
    answers: ClassVar[int] = 1
    compares: ClassVar[bool] = True


class KTOConfig(VerdictConfig):
    """Kahneman-Tversky Optimization (arXiv 2402.01306)."""

    label: ClassVar[str] = "KTO"
    summary: ClassVar[str] = (
        "Kahneman-Tversky Optimization: learns from single answers that are marked good or bad; no pairs needed."
    )
    least_batch: ClassVar[int] = 2
    type: Literal["kto"] = "kto"
    loss_type: KTOLoss = setting("kto", "Loss", advanced=True)
    """apo_zero_unpaired is anchored at the reference in place of the estimated divergence."""
    desirable_weight: float = setting(1.0, "Weight of good answers", gt=0, le=100)
    """Good answers count this much; weight times number should be about the same for both kinds."""
    undesirable_weight: float = setting(1.0, "Weight of bad answers", gt=0, le=100)
    """Bad answers count this much."""

    @property
    def rows_needed(self) -> int:
        """Only its own loss estimates a divergence, from answers that stand behind other rows' prompts."""
        return self.least_batch if self.loss_type == "kto" else 1


class BCOConfig(VerdictConfig):
    """Binary Classifier Optimization (arXiv 2404.04656)."""

    label: ClassVar[str] = "BCO"
    summary: ClassVar[str] = (
        "Binary Classifier Optimization: tells good answers from bad ones by the mean reward so far."
    )
    card: ClassVar[str] = "kto"
    type: Literal["bco"] = "bco"


class RewardModelConfig(PreferenceConfig):
    """A reward model (Bradley-Terry, arXiv 2203.02155): a number for each answer, higher for the chosen one."""

    aliases: ClassVar[dict[str, str]] = {"center_rewards_coefficient": "centering"}
    label: ClassVar[str] = "Reward model"
    summary: ClassVar[str] = (
        "Learns from pairs to give each answer a number, the better one a higher one: a judge of your own for RL runs."
    )
    type: Literal["reward"] = "reward"
    centering: float = setting(0.0, "Pull rewards to 0", advanced=True, ge=0, le=10)
    """How strongly a pair's two rewards are pulled to a sum of 0, so that rewards have a fixed origin (0.01 is usual)."""
    margin_field: str = setting("margin", "Column with margins", advanced=True)
    """The data's column that says how much better the chosen answer is; rows without it ask for no margin."""
