"""The rewards by the type of their config: a new reward is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune.config.rewards import RewardConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Reward
from droid_tune.rewards.code import Code
from droid_tune.rewards.combine import RewardSet, WeighedReward
from droid_tune.rewards.format import format_reward
from droid_tune.rewards.judge_model import model_reward
from droid_tune.rewards.language import language_reward
from droid_tune.rewards.length import length_reward
from droid_tune.rewards.math_heuristic import math_heuristic_reward
from droid_tune.rewards.partial_format import partial_format_reward
from droid_tune.rewards.repetition import repetition_reward
from droid_tune.rewards.reward_model import ByRewardModel
from droid_tune.rewards.similarity import similarity_reward
from droid_tune.rewards.user_file import UserFile

if TYPE_CHECKING:
    from droid_tune.model.policy import Policy


@dataclass(frozen=True)
class Surroundings:
    """What a reward may need to know beyond its own config. Lengths in tokens."""

    max_completion_length: int
    folder: Path  # what a relative path in a config is relative to
    watch: Watch = UNWATCHED  # who may end what a reward waits for
    #: texts of Python files, by their paths as the configs have them, that stand in an editor and count in their place
    unsaved: Mapping[str, str] = field(default_factory=dict[str, str])
    policy: Policy | None = None  # what is trained, whose base a reward model may share


#: config type -> maker; each takes its own config class and the surroundings
MAKERS: dict[str, Callable[[Any, Surroundings], Reward]] = {
    "accuracy": lambda config, around: Accuracy(config, around.watch),
    "format": lambda config, _: format_reward(config),
    "length": lambda config, around: length_reward(config, around.max_completion_length),
    "partial_format": lambda config, _: partial_format_reward(config),
    "similarity": lambda config, _: similarity_reward(config),
    "repetition": lambda config, _: repetition_reward(config),
    "language": lambda config, _: language_reward(config),
    "math_heuristic": lambda config, _: math_heuristic_reward(),
    "code": lambda config, around: Code(config, around.watch),
    "model": lambda config, around: model_reward(config, around.watch),
    "reward_model": lambda config, around: ByRewardModel(config, around.policy, around.watch),
    "user_file": lambda config, around: UserFile(
        config, around.folder, around.watch, around.unsaved.get(config.path)
    ),
}


def build_rewards(
    configs: Sequence[RewardConfig],
    *,
    max_completion_length: int,
    folder: Path | None = None,
    tolerant: bool = False,
    watch: Watch = UNWATCHED,
    unsaved: Mapping[str, str] | None = None,
    policy: Policy | None = None,
) -> RewardSet:
    """The rewards of a run, ready to score. Relative paths start from `folder` (the working folder).

    `tolerant` shows every failure instead of stopping at too many: for a trial. `watch` may end a call with Stopped.
    `unsaved` are texts of Python files that count in the place of what is on disk; `policy` is the one that is trained: a
    reward model on the same base is not loaded twice.
    Raises UserError naming the reward where one cannot be made (a file that does not load, code not allowed to run).
    """
    surroundings = Surroundings(max_completion_length, folder or Path.cwd(), watch, unsaved or {}, policy)
    made: list[WeighedReward] = []
    try:
        for config in map(forgiving, configs) if tolerant else configs:
            made.append(weighed(config, surroundings, taken={one.name for one in made}))
    except BaseException:
        RewardSet(made).close()
        raise
    return RewardSet([replace(one, failure_share=1.0) for one in made] if tolerant else made)


def forgiving(config: RewardConfig) -> RewardConfig:
    """The same reward, never giving up early."""
    has_share = "failure_share" in type(config).model_fields
    return config.model_copy(update={"failure_share": 1.0}) if has_share else config


def weighed(config: RewardConfig, surroundings: Surroundings, taken: set[str]) -> WeighedReward:
    """A reward with name and weight. Raises UserError where the name is `taken`."""
    kind: str = getattr(config, "type", "")
    name = config.name or kind
    if name in taken:
        raise UserError(
            f"Two rewards are called `{name}`", place="rewards", remedy="give one of them another name"
        )
    reward = MAKERS[kind](config, surroundings)
    return WeighedReward(name, config.weight, reward, getattr(config, "failure_share", 0.5))
