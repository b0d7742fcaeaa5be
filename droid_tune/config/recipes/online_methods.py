"""Preference learning from fresh answers: two for each prompt, a reward or a judge says which is better.

Names are TRL's; XPO and Nash-MD as its 1.10 had them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from droid_tune.config.base import setting
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.names import OnlinePairLoss, Way

Even = Annotated[int, setting(title="Completions per prompt", ge=2, le=64, multiple_of=2)]


class OnlinePairConfig(SamplingMethodConfig):
    """Two fresh answers to each prompt, compared."""

    way: ClassVar[Way] = "online_preference"
    card: ClassVar[str] = "dpo"

    group_size: Even = 2
    """Compared two by two: an even number."""
    beta: float = setting(0.1, "Strength (beta)", gt=0, le=100)
    """How strongly the model is held to what it was before: more stays closer."""
    missing_eos_penalty: float | None = setting(None, "Cost of not ending", advanced=True, ge=0)
    """Taken off the reward of answers that were cut off; empty is none."""
    skip_ties: bool = setting(True, "Leave out ties", advanced=True)
    """Pairs of equal reward, or on which the judge contradicts itself, teach nothing; off takes the first as the better one,
    as TRL does.
    """
    judge_url: str = setting("", "Judge's address", advanced=True)
    """A chat server that compares two answers, asked in both orders; empty: the rewards decide."""
    judge_model: str = setting("", "Judge's model", advanced=True)
    """What the server calls it."""
    judge_key_variable: str = setting("", "Variable with the judge's key", advanced=True)
    """The environment variable that holds the key; empty for servers that ask for none."""

    @property
    def needs_reference(self) -> bool:
        """All of them compare with the model as it was."""
        return True


class OnlineDPOConfig(OnlinePairConfig):
    """Online DPO (arXiv 2402.04792): DPO on pairs of the model's own fresh answers."""

    label: ClassVar[str] = "Online DPO"
    summary: ClassVar[str] = "DPO on pairs of the model's own fresh answers, compared by a reward or a judge."
    type: Literal["online_dpo"] = "online_dpo"
    loss_type: OnlinePairLoss = setting("sigmoid", "Loss", advanced=True)
    """sigmoid is DPO's; ipo pulls the margin to a set distance."""


class XPOConfig(OnlinePairConfig):
    """Exploratory Preference Optimization (arXiv 2405.21046): one answer is the reference's, and leaving it is rewarded."""

    label: ClassVar[str] = "XPO"
    summary: ClassVar[str] = "Online DPO against an answer of the starting model, with a bonus for exploring."
    type: Literal["xpo"] = "xpo"
    loss_type: OnlinePairLoss = setting("sigmoid", "Loss", advanced=True)
    """sigmoid is DPO's; ipo pulls the margin to a set distance."""
    alpha: float = setting(1e-5, "Bonus for exploring", advanced=True, ge=0, le=1)
    """How strongly the model is pushed away from what the starting model says."""


class NashMDConfig(OnlinePairConfig):
    """Nash-MD (arXiv 2312.00886): answers that beat those of a mixture of the model and its start."""

    label: ClassVar[str] = "Nash-MD"
    summary: ClassVar[str] = (
        "Plays against a mixture of itself and the starting model: for preferences that go in circles."
    )
    type: Literal["nash_md"] = "nash_md"
    mixture_coef: float = setting(0.5, "Share of the starting model", advanced=True, ge=0, le=1)
    """In the opponent. The mixture is of the weights (a weaker adapter), which needs no second pass; the paper's is of the
    logarithms of probabilities.
    """
