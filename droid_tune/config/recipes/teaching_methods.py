"""Methods that learn from a teacher's distributions: the model itself with more to read, or another model.

Names and defaults are TRL's where it has the method (SDFT, SDPO, Distillation, GKD, IW-OPD, MiniLLM).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from droid_tune.config.base import setting
from droid_tune.config.recipes.sampling_method import GroupSize, SamplingMethodConfig, SmallGroup
from droid_tune.names import (
    DistillationMode,
    DistillationObjective,
    MergeStrategy,
    RatioLevel,
    ScaleRewards,
    TeacherKind,
    Way,
)

Alpha = Annotated[float, setting(title="Divergence (alpha)", ge=0, le=1)]
Mode = Annotated[DistillationMode, setting(title="What is compared", advanced=True)]
TopK = Annotated[int, setting(title="Tokens compared", advanced=True, ge=1, le=100_000)]
Tail = Annotated[bool, setting(title="Count the other tokens", advanced=True)]
Kind = Annotated[TeacherKind, setting(title="Teacher")]
Mixture = Annotated[float, setting(title="Share of own answers", ge=0, le=1)]
Template = Annotated[str, setting(title="What the teacher reads", advanced=True)]


class TaughtConfig(SamplingMethodConfig):
    """What is compared of a teacher and its student at each token of the student's own answers."""

    judged: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"num_generations": "group_size", "ppo_epochs": "num_iterations"}

    distillation_alpha: Alpha = 0.5
    """0: the student covers all that the teacher might say. 1: it keeps to what the teacher finds likely. Between: a
    mixture of both (Jensen-Shannon).
    """
    distillation_mode: Mode = "full_logits"
    """Of each token the whole vocabulary, its likeliest tokens, or only the token that was sampled."""
    distillation_topk: TopK = 100
    """How many likely tokens are compared in topk_logits."""
    distillation_add_tail: Tail = False
    """All other tokens are one more choice; off compares the likely tokens among themselves."""
    distillation_is_clip: float | None = setting(2.0, "Weight ceiling", advanced=True, gt=0)
    """Where a rollout is used for several updates, a token counts by how much likelier it has become since, at most this
    much; empty: every token counts the same.
    """

    @model_validator(mode="after")
    def _sampled_token_is_reverse(self) -> Self:
        if self.distillation_mode == "sampled_token" and self.distillation_alpha != 1:
            raise ValueError(
                "`distillation_mode` sampled_token knows only the reverse divergence; set `distillation_alpha` to 1"
            )
        return self


class SelfTaughtConfig(TaughtConfig):
    """The teacher is the model itself, which reads more than the student does: no second model in memory."""

    way: ClassVar[Way] = "self_distillation"

    teacher: Kind = "initial"
    """initial: the model as it was before training (its adapter switched off). ema: a moving average of what is trained.
    live: as it is now.
    """
    teacher_update_rate: float = setting(0.05, "Teacher's pace", advanced=True, gt=0, le=1)
    """The share of the student that the moving average takes in at each renewal."""
    teacher_sync_steps: int = setting(1, "Renew the teacher every", advanced=True, unit="steps", ge=1)
    """Steps between renewals of the moving average."""
    num_loss_tokens_to_skip: int = setting(0, "First tokens left out", advanced=True, unit="tokens", ge=0)
    """So many tokens at the beginning of each answer are not learnt: there a teacher may refer to what it was shown."""

    @property
    def needs_reference(self) -> bool:
        """The teacher, where it is not the model as it is now."""
        return self.teacher != "live"

    @property
    def keeps_reference(self) -> bool:
        """A moving average is a copy of what is trained."""
        return self.teacher == "ema"


class ShownConfig(SelfTaughtConfig):
    """The teacher is shown what the row holds: a solution, or the answer."""

    group_size: SmallGroup = 1
    context_field: str = setting("", "Shown to the teacher", advanced=True)
    """The data's column with what the teacher may read; empty: the row's answer."""
    teacher_template: Template = "{prompt}\n\nA correct solution, which only you can see:\n{context}"
    """What the teacher reads in place of the prompt; {prompt} and {context} are filled in."""

    @model_validator(mode="after")
    def _both_are_shown(self) -> Self:
        for name in ("{prompt}", "{context}"):
            if name not in self.teacher_template:
                raise ValueError(
                    f"`teacher_template` must hold {name}, or the teacher knows no more than the student"
                )
        return self


class SelfDistillationConfig(ShownConfig):
    """On-policy self-distillation: the student answers, and the same weights that see the solution grade every token."""

    label: ClassVar[str] = "Self-distillation"
    summary: ClassVar[str] = (
        "The model teaches itself: it answers, and grades each token as it would with the solution in view. One answer per "
        "prompt, no second model."
    )
    type: Literal["self_distillation"] = "self_distillation"


class SDFTConfig(ShownConfig):
    """Self-Distillation Fine-Tuning (arXiv 2601.19897): learn demonstrations without forgetting."""

    card: ClassVar[str] = "self_distillation"
    label: ClassVar[str] = "SDFT"
    summary: ClassVar[str] = (
        "Learns from demonstrations by its own answers: the teacher reads the demonstration. Forgets less than SFT."
    )
    type: Literal["sdft"] = "sdft"
    distillation_mode: Mode = "topk_logits"
    teacher: Kind = "ema"
    teacher_template: Template = "{prompt}\n\n{context}"


class SDPOConfig(SelfTaughtConfig):
    """Self-Distillation Policy Optimization (arXiv 2601.20802): the group's best answers and feedback are the lesson."""

    card: ClassVar[str] = "self_distillation"
    label: ClassVar[str] = "SDPO"
    summary: ClassVar[str] = (
        "Like GRPO, but the model reads a successful answer of the group (or what was wrong) and grades every token itself."
    )
    judged: ClassVar[bool] = True
    type: Literal["sdpo"] = "sdpo"
    group_size: GroupSize = 8
    distillation_alpha: Alpha = 1.0
    distillation_mode: Mode = "sampled_token"
    teacher: Kind = "ema"
    success_reward_threshold: float = setting(1.0, "Success from a reward of")
    """An answer that earns so much is shown to the teacher of the others in its group."""
    dont_reprompt_on_self_success: bool = setting(True, "Never show an answer to itself", advanced=True)
    """A row's teacher sees another row's success, not its own."""
    include_environment_feedback: bool = setting(True, "Tell what was wrong")
    """Answers without a success to learn from are told what the data say of them, so that groups in which all fail still
    teach.
    """
    environment_feedback_only_without_solution: bool = setting(True, "Only without a success", advanced=True)
    """Feedback is told only where no successful answer can be shown."""
    feedback_field: str = setting("", "Column with feedback", advanced=True)
    """The data's column with what is told of a failed answer; empty: that it was wrong, and the row's answer."""
    teacher_template: Template = "{prompt}{demonstration}{feedback}\n\nNow answer the question."
    """What the teacher reads in place of the prompt; {demonstration} and {feedback} are empty where there is none."""
    distillation_weight: float = setting(1.0, "Share of self-teaching", ge=0, le=1)
    """The rest is GRPO's own loss; 0 is GRPO without its KL term."""
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = setting("dapo", "Policy loss", advanced=True)
    """How the policy term is averaged; dapo is the mean over the slice's tokens here, as in TRL."""
    importance_sampling_level: RatioLevel = setting("token", "Ratio level", advanced=True)
    """Over what the policy term's probability ratio is taken."""
    scale_rewards: ScaleRewards = setting("group", "Scale rewards by", advanced=True)
    """Divide a group's rewards by the spread of the group, of the whole batch, or not at all."""
    epsilon: float = setting(0.2, "Clip width", advanced=True, gt=0, lt=1)
    """How far a token's probability may move before the policy term's gradient is cut."""

    @model_validator(mode="after")
    def _something_is_shown(self) -> Self:
        if "{prompt}" not in self.teacher_template or "{demonstration}" not in self.teacher_template:
            raise ValueError("`teacher_template` must hold {prompt} and {demonstration}")
        if self.include_environment_feedback and "{feedback}" not in self.teacher_template:
            raise ValueError(
                "`teacher_template` must hold {feedback} while `include_environment_feedback` is on"
            )
        return self


class TeacherConfig(TaughtConfig):
    """Another model grades every token of the student's own answers."""

    aliases: ClassVar[dict[str, str]] = {
        **TaughtConfig.aliases,
        "loss_top_k": "distillation_topk",
        "loss_add_tail": "distillation_add_tail",
        "teacher_model_name_or_path": "teachers",
    }
    #: TRL's, in GKD and distillation: 0 is the forward divergence, 1 the reverse one, as here
    own_aliases: ClassVar[dict[str, str]] = {"beta": "distillation_alpha"}
    way: ClassVar[Way] = "distillation"
    group_size: SmallGroup = 1
    distillation_alpha: Alpha = 1.0
    teachers: tuple[str, ...] = setting(("starter",), "Teachers", min_length=1, holds="run")
    """A model's folder or Hub id, an earlier run, or the address of a server that reports log-probabilities
    (http://host:8000/v1, as vLLM has it). With several each step has one of them, in turn: one is in memory at a time.
    """
    teacher_model: str = setting("", "Model on the server", advanced=True)
    """What a server calls the teacher; empty for those that serve one."""
    objective: DistillationObjective = setting("divergence", "Objective", advanced=True)
    """divergence compares distributions. importance_weighted (IW-OPD) and reward_to_go (MiniLLM) follow the teacher's word on
    the sampled tokens.
    """
    iw_opd_gamma: float = setting(0.5, "Weight of early tokens", advanced=True, ge=0, le=10)
    """importance_weighted: how much more the first tokens of an answer count."""
    gamma: float = setting(0.0, "Look ahead", advanced=True, ge=0, le=1)
    """reward_to_go: how much of the teacher's word on later tokens counts for a token; 0 is its own alone."""
    length_normalization: bool = setting(True, "Divide by the length ahead", advanced=True)
    """reward_to_go: the mean instead of the sum of what lies ahead."""
    lmbda: Mixture = 1.0
    """How often a batch is answered by the student; otherwise the answers in the data are learnt from (GKD's mixture)."""
    token_merge_strategy: MergeStrategy = setting("bayesian", "Merging of split tokens", advanced=True)
    """Where the teacher has another tokenizer: which part of a word that it splits otherwise gives the distribution."""

    @field_validator("teachers", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """A single teacher may be given by its name."""
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _own_answers_where_needed(self) -> Self:
        if self.lmbda < 1 and self.objective != "divergence":
            raise ValueError(
                f"the objective {self.objective} needs the student's own answers; set `lmbda` to 1"
            )
        return self


class DistillationConfig(TeacherConfig):
    """On-policy distillation (Agarwal et al., arXiv 2306.13649): the student answers, another model grades every token."""

    label: ClassVar[str] = "Distillation"
    summary: ClassVar[str] = (
        "Learns from a better model, or an earlier run: it grades every token of the student's own answers."
    )
    type: Literal["distillation"] = "distillation"


class GKDConfig(TeacherConfig):
    """Generalised knowledge distillation (arXiv 2306.13649): half of the batches from the data, a mixed divergence."""

    label: ClassVar[str] = "GKD"
    summary: ClassVar[str] = (
        "Distillation that answers half of the batches itself and learns the others from the data."
    )
    card: ClassVar[str] = "distillation"
    type: Literal["gkd"] = "gkd"
    distillation_alpha: Alpha = 0.5
    lmbda: Mixture = 0.5
