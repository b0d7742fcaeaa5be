"""Named starting points, and the settings that a model recommends for itself.

The layers, lowest first: field defaults, the model's own `droid-tune.yaml`, the preset, the user's file, `--set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from droid_tune.config.environments import judges_by_itself
from droid_tune.config.files.load import build, canonical, merge, read_values
from droid_tune.config.recipes.methods import METHOD_CONFIGS, GRPOConfig
from droid_tune.config.run import RunConfig
from droid_tune.errors import UserError
from droid_tune.paths import bundled_model_dir, user_path

RECOMMENDED_FILE = "droid-tune.yaml"


@dataclass(frozen=True)
class Preset:
    """A named layer of settings. `reinforcement` holds what only group-relative methods have."""

    title: str
    summary: str
    values: Mapping[str, Any]
    reinforcement: Mapping[str, Any]


PRESETS: dict[str, Preset] = {
    "default": Preset("Default", "The method's own settings.", {}, {}),
    "fast_test": Preset(
        "Fast test",
        "Two completions, few steps: shows within minutes whether everything works.",
        {"training": {"iterations": 20, "batch_size": 2}, "evaluation": {"steps_per_eval": 0, "rows": 16}},
        {"method": {"group_size": 2, "num_iterations": 1}, "sampling": {"max_completion_length": 128}},
    ),
    "full_training": Preset(
        "Full training",
        "Eight completions per prompt and a long run.",
        {"training": {"iterations": 1000}, "optimizer": {"schedule": "cosine", "warmup_steps": 20}},
        {"method": {"group_size": 8}},
    ),
    "few_samples": Preset(
        "Few samples",
        "Fewer completions of more prompts, each used three times: learns sooner where sampling takes long.",
        {},
        {"training": {"batch_size": 12}, "method": {"group_size": 4, "num_iterations": 3}},
    ),
    "low_memory": Preset(
        "Low memory",
        "Two completions, one prompt, the smallest portions: for 8 GB and large models.",
        {
            "training": {"batch_size": 1},
            "memory": {"rows_per_micro_batch": 1, "backward": "layerwise"},
        },
        {"method": {"group_size": 2}},
    ),
    "from_sft": Preset(
        "From SFT",
        "Goes on from a supervised run, with a gentler learning rate (choose the run under Start).",
        {"optimizer": {"learning_rate": 5e-6}},
        {},
    ),
}


def preset_values(name: str, method: str) -> dict[str, Any]:
    """The preset's layer for a method. Raises UserError for an unknown name."""
    preset = PRESETS.get(name)
    if preset is None:
        raise UserError(f"There is no preset `{name}`; choose one of {', '.join(PRESETS)}.")
    config = METHOD_CONFIGS.get(method, GRPOConfig)
    values = merge(preset.values, preset.reinforcement) if config.samples else dict(preset.values)
    size = values.get("training", {}).get("batch_size", config.least_batch)
    return (
        values
        if size >= config.least_batch
        else merge(values, {"training": {"batch_size": config.least_batch}})
    )


def recommended_values(model: str, method: str) -> dict[str, Any]:
    """What the model folder recommends for a method: `common` with `methods.<name>` laid over it; else {}."""
    folder = bundled_model_dir(model) or user_path(model)
    file = folder / RECOMMENDED_FILE
    try:
        stamp = file.stat()
    except OSError:
        return {}
    values = _recommended(file, stamp.st_mtime_ns, stamp.st_size)
    return merge(
        canonical(values.get("common") or {}), canonical((values.get("methods") or {}).get(method) or {})
    )


@lru_cache(maxsize=8)
def _recommended(file: Path, _changed_ns: int, _size: int) -> Mapping[str, Any]:
    """The file's values, parsed once until it changes: a form asks for them at every key."""
    return read_values(file)


def resolve(values: Mapping[str, Any], *, preset: str = "default", place: str = "") -> RunConfig:
    """All layers into one config with the learning rate written out.

    `values` is the user's own layer (file and overrides already merged). Raises UserError.
    """
    values = canonical(values)
    method = _method_name(values)
    below = merge(recommended_values(_model_path(values), method), preset_values(preset, method))
    below = merge({"method": {"type": method}}, below)
    if judges_by_itself(values):
        below.pop("rewards", None)  # of a model's recommendation, for its own data
    config = build(merge(below, values), place)
    if config.optimizer.learning_rate is None:
        optimizer = config.optimizer.model_copy(update={"learning_rate": config.learning_rate})
        config = config.model_copy(update={"optimizer": optimizer})
    return config


def _method_name(values: Mapping[str, Any]) -> str:
    method = values.get("method")
    if isinstance(method, Mapping):
        method = method.get("type", "grpo")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return method if isinstance(method, str) else "grpo"


def _model_path(values: Mapping[str, Any]) -> str:
    model = values.get("model")
    path = model.get("path", "starter") if isinstance(model, Mapping) else "starter"  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return path if isinstance(path, str) else "starter"
