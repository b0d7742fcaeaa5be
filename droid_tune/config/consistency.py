"""What of a run's settings does not go together, each a sentence with what to do. All raise ValueError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from droid_tune.config.environments import ENVIRONMENT, AnyEnvironment
from droid_tune.config.recipes.methods import AnyMethod
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.ppo_method import PPOConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.recipes.teaching_methods import SelfTaughtConfig
from droid_tune.config.rewards import AnyReward
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.training_config import TrainingConfig
from droid_tune.names import RowLoss


def require_fitting_environment(
    environment: AnyEnvironment, method: AnyMethod, sampling: SamplingConfig
) -> None:
    """Only what samples groups acts, with its keys and values as they are, and not every loss knows turns."""
    if not isinstance(method, PolicyMethodConfig):
        raise ValueError(
            f"`environment` {environment.type} is acted in by methods that sample groups, and {method.type} does not; "
            "use grpo or another one of its kind, or leave `environment` out"
        )
    if sampling.cache_bits:
        raise ValueError(
            f"`kv_cache` {sampling.kv_cache} is for answers of one turn, and `environment` {environment.type} plays "
            "several; use kv_cache: as_is"
        )
    if environment.credit != "turn":
        return
    if isinstance(method, PPOConfig):
        raise ValueError(
            "`credit` turn has no effect with ppo, whose critic weighs every token; use credit: episode"
        )
    if method.loss_type in (*get_args(RowLoss), "vespo"):
        raise ValueError(
            f"`credit` turn weighs single turns, and the loss of {method.type} is of whole completions; use credit: "
            "episode, or a method such as grpo"
        )


def require_fitting_rewards(rewards: Sequence[AnyReward], environment: AnyEnvironment | None) -> None:
    """A method that samples needs one at least, and no two of a name."""
    if not rewards and (environment is None or not environment.judges):
        raise ValueError("`rewards` must hold at least one reward for a reinforcement method")
    names = [reward.name or reward.type for reward in rewards]
    if environment is not None:
        names.append(ENVIRONMENT)
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise ValueError(
            f"two rewards are called `{sorted(double)[0]}`; give one of them a `name` of its own"
        )


def require_fitting_slices(method: SamplingMethodConfig, training: TrainingConfig) -> None:
    """Every slice of a rollout has as many completions."""
    rows = training.batch_size * method.learnt_group
    if rows % method.steps_per_generation:
        each = "group_size" if method.learnt_group == method.group_size else "train_completions"
        raise ValueError(
            f"`steps_per_generation` {method.steps_per_generation} must divide the {rows} completions of a "
            f"rollout (batch_size {training.batch_size} x {each} {method.learnt_group})"
        )


def require_fitting_sampling(sampling: SamplingConfig, longest_sequence: int) -> None:
    """There is room for a prompt, and completions of a group differ."""
    if sampling.max_completion_length >= longest_sequence:
        raise ValueError(
            f"`max_completion_length` {sampling.max_completion_length} leaves no room for a prompt in "
            f"`max_seq_length` {longest_sequence}"
        )
    if sampling.temperature == 0:
        raise ValueError(
            "`temperature` 0 makes all completions of a group the same: nothing to learn; use about 1"
        )
    if sampling.top_k == 1:
        raise ValueError(
            "`top_k` 1 makes all completions of a group the same: nothing to learn; use 0, which is off"
        )


def require_fitting_lengths(method: SamplingMethodConfig, longest: int) -> None:
    """Of completions of at most `longest` tokens something is left to learn from, and something unpunished."""
    skipped = method.num_loss_tokens_to_skip if isinstance(method, SelfTaughtConfig) else 0
    if skipped >= longest:
        raise ValueError(
            f"`num_loss_tokens_to_skip` {skipped} leaves nothing of an answer of at most "
            f"`max_completion_length` {longest} tokens to learn from"
        )
    overlong = method.overlong_cache if isinstance(method, PolicyMethodConfig) else None
    if overlong is not None and overlong > longest:
        raise ValueError(
            f"`overlong_cache` {overlong} is more than `max_completion_length` {longest}: even an "
            "empty completion would be punished"
        )
