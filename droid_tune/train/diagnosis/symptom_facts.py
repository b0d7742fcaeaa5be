"""What a symptom is: the look that finds it, what the config says that its words depend on, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from droid_tune.config import RunConfig
from droid_tune.config.base import MethodConfig
from droid_tune.config.presets import recommended_values
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.preference_methods import ImplicitRewardConfig
from droid_tune.config.recipes.teaching_methods import SelfTaughtConfig
from droid_tune.train.diagnosis.history import History


@dataclass(frozen=True)
class Facts:
    """What the config says that a symptom's words depend on."""

    reinforcement: bool = True
    #: of a preference method that compares with the model before training: reward per nat that an answer became likelier
    reference_beta: float | None = None
    method: str = "grpo"
    learning_rate: float = 1e-5
    rate_is_recommended: bool = False
    sequence_level: bool = False
    clip_acts: bool = False  # whether a rollout is still used after the weights have changed
    epsilon: float = 0.2
    max_completion_length: int = 256
    max_grad_norm: float = 1.0
    masks_cut_off: bool = False  # whether completions that were cut off are left out
    entropy_share: float = 1.0  # of the tokens, those that are trained on
    max_turns: int = 6  # of an episode, where there is an environment
    max_turn_tokens: int = 256
    tokens_skipped: int = 0  # at the beginning of each answer, which are not learnt

    @classmethod
    def of(cls, config: RunConfig) -> Facts:
        """What the symptoms need to know of a config."""
        method = config.method
        recommended = recommended_values(config.model.path, method.type).get("optimizer", {})
        common: dict[str, Any] = {
            "method": method.type,
            "learning_rate": config.learning_rate,
            "rate_is_recommended": recommended.get("learning_rate") == config.learning_rate,
            "max_grad_norm": config.training.max_grad_norm,
        }
        if isinstance(method, SelfTaughtConfig):
            common["tokens_skipped"] = method.num_loss_tokens_to_skip
        if not isinstance(method, PolicyMethodConfig):
            return cls(reinforcement=False, reference_beta=_reference_beta(method), **common)
        if config.environment is not None:
            common |= {
                "max_turns": config.environment.max_turns,
                "max_turn_tokens": config.environment.max_turn_tokens,
            }
        return cls(
            sequence_level=method.importance_sampling_level == "sequence",
            clip_acts=method.outlives_update(config.training.gradient_accumulation_steps),
            epsilon=method.epsilon,
            max_completion_length=config.sampling.max_completion_length,
            masks_cut_off=method.mask_truncated_completions,
            entropy_share=method.top_entropy_quantile,
            **common,
        )


def _reference_beta(method: MethodConfig) -> float | None:
    return method.beta if isinstance(method, ImplicitRewardConfig) and method.compares else None


@dataclass(frozen=True)
class Said:
    """What is seen and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Symptom:
    """A code, how grave it is, and the look that finds it. One that is `lasting` is said once in a run."""

    code: str
    level: Literal["info", "warning"]
    look: Callable[[History, Facts, bool], Said | None]
    lasting: bool = False
