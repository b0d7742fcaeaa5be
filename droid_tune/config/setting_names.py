"""Every setting of a run by name: for `--set`, and for the names that other trainers use."""

from __future__ import annotations

from droid_tune.config.base import Closed, unknown_key
from droid_tune.config.environments import ENVIRONMENT_CONFIGS
from droid_tune.config.model_and_data import AdapterConfig, DataConfig, ModelConfig
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.run import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.tracking_config import TrackingConfig
from droid_tune.config.training_config import (
    CheckpointConfig,
    EvaluationConfig,
    MemoryConfig,
    OptimizerConfig,
    TrainingConfig,
)

_SECTION_MODELS: dict[str, type[Closed]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "adapter": AdapterConfig,
    "training": TrainingConfig,
    "sampling": SamplingConfig,
    "optimizer": OptimizerConfig,
    "evaluation": EvaluationConfig,
    "checkpoint": CheckpointConfig,
    "memory": MemoryConfig,
    "tracking": TrackingConfig,
}


def find_setting(key: str) -> tuple[str, ...]:
    """The path of a setting given by its short or dotted name, for `--set`.

    `group_size` -> ("method", "group_size"); `optimizer.learning_rate` stays. Raises ValueError with the
    nearest name where none fits.
    """
    if "." in key or key in RunConfig.model_fields:
        return tuple(key.split("."))
    homes = [path for path in known_settings() if path[-1] == key]
    if len(homes) == 1:
        return homes[0]
    if homes:
        raise ValueError(
            f"`{key}` could be any of {', '.join('.'.join(home) for home in homes)}; write it in full"
        )
    raise ValueError(unknown_key(key, [path[-1] for path in known_settings()]))


def section_aliases(section: str) -> dict[str, str]:
    """Other trainers' names for the fields of a section."""
    return _method_aliases() if section == "method" else _SECTION_MODELS[section].aliases


def _method_aliases() -> dict[str, str]:
    """Of all methods: what is one's alias is no other's field."""
    return {alias: name for config in METHOD_CONFIGS.values() for alias, name in config.aliases.items()}


def known_settings() -> list[tuple[str, ...]]:
    """Every path that `--set` may give by its last part alone, aliases included."""
    paths = [
        (section, name)
        for section, model in _SECTION_MODELS.items()
        for name in (*model.model_fields, *model.aliases)
        if name not in ("type", "name", "path")
    ]
    method_names = dict.fromkeys(
        name for config in METHOD_CONFIGS.values() for name in (*config.model_fields, *config.aliases)
    )
    environment_names = dict.fromkeys(
        name for config in ENVIRONMENT_CONFIGS.values() for name in config.model_fields
    )
    taken = {path[-1] for path in paths} | set(method_names) | {"type", "path", "name"}
    return [
        *paths,
        *(("method", name) for name in method_names if name != "type"),
        *(("environment", name) for name in environment_names if name not in taken),
    ]
