"""Methods that learn from a teacher's distributions: the model itself with more to read, or another model.

Names and defaults are TRL's where it has the method (SDFT, SDPO, Distillation, GKD, IW-OPD, MiniLLM).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from droid_tune.config.base import setting
from droid_tune.config.sampling_method import GroupSize, SamplingMethodConfig, SmallGroup
from droid_tune.names import DistillationMode, RatioLevel, ScaleRewards, TeacherKind, Way

Alpha = Annotated[float, setting(title="Divergence (alpha)", ge=0, le=1)]
Mode = Annotated[DistillationMode, setting(title="What is compared", advanced=True)]
TopK = Annotated[int, setting(title="Tokens compared", advanced=True, ge=1, le=100_000)]
Tail = Annotated[bool, setting(title="Count the other tokens", advanced=True)]
Kind = Annotated[TeacherKind, setting(title="Teacher")]
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
