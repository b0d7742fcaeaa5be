"""Where the rewards of a trial come from: a Python file, the config of a run, or the name of a built-in reward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from droid_tune.config import RunConfig
from droid_tune.config.files.load import read_values
from droid_tune.config.foreign.migrate import import_foreign
from droid_tune.config.presets import resolve
from droid_tune.config.rewards import REWARD_CONFIGS, RewardConfig, UserFileReward
from droid_tune.errors import UserError

CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
#: tokens that a completion may have where no config says so
LONGEST = 256


def rewards_in(file: Path, function: str) -> tuple[Sequence[RewardConfig], int]:
    """The rewards in a file or the built-in one of that name, and the longest completion they are built for."""
    kind = REWARD_CONFIGS.get(str(file))
    if kind is not None and not file.exists():
        return [built_in(kind)], LONGEST
    if file.suffix in CONFIG_SUFFIXES:
        config = config_in(file)
        return config.rewards, config.sampling.max_completion_length
    if file.suffix != ".py":
        raise UserError(
            "This is no reward file",
            place=str(file),
            remedy="give a Python file, the YAML config of a run, or the name of a built-in reward "
            f"({', '.join(REWARD_CONFIGS)})",
        )
    return [UserFileReward(path=str(file.absolute()), function=function)], LONGEST


def config_in(file: Path) -> RunConfig:
    """The run's settings in a YAML or JSON file. Raises UserError."""
    return resolve(import_foreign(read_values(file)).values, place=str(file))


def built_in(kind: type[RewardConfig]) -> RewardConfig:
    """A reward with its defaults. Raises UserError for one that has to be told more."""
    try:
        return kind()
    except ValidationError as error:
        missing = ", ".join(str(fault["loc"][0]) for fault in error.errors())
        raise UserError(
            f"This reward needs {missing}",
            place="rewards",
            remedy="write it into a config and give that file",
        ) from None
