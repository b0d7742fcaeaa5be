"""Keys of other trainers whose value is written otherwise here: each conversion with a word about what it changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from droid_tune.config.foreign.foreign_keys import METHOD_KEYS, snake
from droid_tune.config.foreign.foreign_rewards import foreign_rewards, listed, number

Values = dict[str, Any]
#: what others call the rank, the first that is given
_RANKS = ("lora_rank", "rank", "lora_r")


class Import:
    """One import on its way: `given` by snake-case key, and the keys as they were written for the notes."""

    def __init__(self, given: Values, written: Mapping[str, Any]) -> None:
        self.given = given
        self.spelling = {snake(key): key for key in written}
        self.values: Values = {}
        self.notes: list[str] = []

    def set(self, section: str, name: str, value: Any) -> None:
        """A value of ours, by section and field."""
        self.values.setdefault(section, {})[name] = value

    def note(self, key: str, words: str) -> None:
        """What to tell of `key`, under the spelling that the user has."""
        self.notes.append(f"`{self.spelling.get(key, key)}` {words}.")


def _rewards(importer: Import, _: Any) -> None:
    given = importer.given
    rewards, notes = foreign_rewards(
        listed(given.get("reward_functions")),
        [number(weight) for weight in listed(given.get("reward_weights"))],
        str(given.get("reward_functions_file") or ""),
    )
    if rewards:
        importer.values["rewards"] = rewards
    importer.notes += notes


def _reward_companion(importer: Import, value: Any) -> None:
    """Read together with `reward_functions`."""
    if value and not importer.given.get("reward_functions"):
        importer.note("reward_weights", "without `reward_functions` has no counterpart")


def _train_data(importer: Import, value: Any) -> None:
    """Ours is one folder with a file per split; two files in one folder are that folder."""
    if not value:
        return
    train, held_out = Path(str(value)), importer.given.get("val_data_path")
    names_say = train.stem.startswith("train") and str(Path(str(held_out)).stem).startswith(
        ("val", "eval", "dev")
    )
    if held_out and Path(str(held_out)).parent == train.parent and names_say:
        importer.set("data", "path", str(train.parent))
        return
    importer.set("data", "path", str(value))
    if held_out:
        importer.note(
            "val_data_path",
            f"has no counterpart: put both files into one folder as train{train.suffix} and valid{train.suffix}",
        )


def _held_out_alone(importer: Import, value: Any) -> None:
    """Read together with `train_data_path`."""
    if value and not importer.given.get("train_data_path"):
        importer.note("val_data_path", "without `train_data_path` has no counterpart")


def _adapter_type(importer: Import, value: Any) -> None:
    if value:
        importer.set("adapter", "type", str(value).lower())


def _lora_parameters(importer: Import, value: Any) -> None:
    if not isinstance(value, Mapping):
        return
    given = {snake(str(key)): setting for key, setting in cast(Mapping[Any, Any], value).items()}
    for name in ("rank", "scale", "dropout"):
        if name in given:
            importer.set("adapter", name, given[name])
    if given.get("keys"):
        importer.set("adapter", "target_modules", [f"*{key}" for key in listed(given["keys"])])
    if given.get("alpha") is not None:
        _alpha(importer, given["alpha"], given.get("rank", 8), scale=given.get("scale"))
    for name in given.keys() - {"rank", "scale", "dropout", "keys", "alpha"}:
        importer.notes.append(f"`lora_parameters.{name}` has no counterpart.")


def _lora_alpha(importer: Import, value: Any) -> None:
    given = importer.given
    if value is not None:
        rank = next((given[name] for name in _RANKS if given.get(name) is not None), 8)
        _alpha(importer, value, rank, scale=given.get("lora_scale"))


def _alpha(importer: Import, alpha: Any, rank: Any, scale: Any) -> None:
    """The convention scale = alpha / rank, of rsLoRA alpha / sqrt(rank); mlx-lm itself reads `scale` only."""
    if scale is not None:
        importer.notes.append("`alpha` is left out: the config gives the `scale` itself.")
        return
    stabilised = importer.given.get("use_rslora") is True
    converted = number(alpha) / (math.sqrt(number(rank)) if stabilised else number(rank))
    importer.set("adapter", "scale", converted)
    how = "alpha / sqrt(rank), as `use_rslora` says" if stabilised else "alpha / rank"
    importer.notes.append(f"`alpha` {alpha} at rank {rank} became `adapter.scale` {converted:g} ({how}).")


def _stabilised(importer: Import, value: Any) -> None:
    """Read together with alpha."""
    given = importer.given
    inside = given.get("lora_parameters")
    if value and given.get("lora_alpha") is None and not (isinstance(inside, Mapping) and "alpha" in inside):
        importer.note("use_rslora", "without `lora_alpha` has no counterpart: set `adapter.scale`")


def _dora(importer: Import, value: Any) -> None:
    if value:
        importer.set("adapter", "type", "dora")


def _modules(importer: Import, value: Any) -> None:
    """PEFT's names, or its word for all linear layers, which are ours unless some are named."""
    names = [str(one) for one in listed(value)]
    if names and not {*names} & {"all", "all-linear", "all_linear"}:
        importer.set("adapter", "target_modules", [f"*{name}" for name in names])


def _optimizer(importer: Import, value: Any) -> None:
    if not value:
        return
    name = str(value).lower()
    if name == "sgd":
        importer.note("optimizer", "sgd has no counterpart: AdamW is used")
        return
    importer.set("optimizer", "name", name)
    given = importer.given.get("optimizer_config")
    settings = cast(Values, given).get(name) if isinstance(given, Mapping) else None
    for key, setting in cast(Values, settings or {}).items():
        _optimizer_setting(importer, name, key, setting)


def _optimizer_setting(importer: Import, name: str, key: str, setting: Any) -> None:
    if key == "betas":
        importer.set("optimizer", "beta1", setting[0])
        importer.set("optimizer", "beta2", setting[1])
    elif key == "weight_decay":
        importer.set("optimizer", "weight_decay", setting)
    else:
        importer.notes.append(f"`optimizer_config.{name}.{key}` has no counterpart.")


def _schedule(importer: Import, value: Any) -> None:
    """mlx-lm's `{name, arguments: [first, ...], warmup}`, or a name alone."""
    if not value:
        return
    given = cast(Values, value) if isinstance(value, Mapping) else {"name": value}
    name = str(given.get("name", "")).lower()
    kind = next((kind for kind in ("cosine", "linear", "constant") if kind in name), None)
    if kind is None:
        importer.note("lr_schedule", f"{name or value} has no counterpart: the learning rate stays constant")
        return
    importer.set("optimizer", "schedule", kind)
    arguments = [number(one) for one in given.get("arguments") or []]
    if arguments:
        importer.set("optimizer", "learning_rate", arguments[0])
        end = _final_rate(kind, arguments)
        importer.set("optimizer", "final_fraction", min(1.0, end / arguments[0]) if arguments[0] else 0.0)
        importer.note("lr_schedule", "falls to the end of the run here, whatever number of steps it names")
    if given.get("warmup"):
        importer.set("optimizer", "warmup_steps", given["warmup"])


def _final_rate(kind: str, arguments: list[float]) -> float:
    """cosine_decay(first, steps, end); linear_schedule(first, end, steps)."""
    if kind == "linear" and len(arguments) > 1:
        return arguments[1]
    return arguments[2] if kind == "cosine" and len(arguments) > 2 else 0.0


def _held_out_batches(importer: Import, value: Any) -> None:
    if value is None:
        return
    if number(value) < 0:
        importer.note("val_batches", "of -1 (all) became `evaluation.rows` 1000000")
        importer.set("evaluation", "rows", 1_000_000)
        return
    batch = int(number(importer.given.get("batch_size") or 4))
    rows = int(number(value)) * batch
    importer.set("evaluation", "rows", rows)
    importer.note("val_batches", f"{value} of {batch} rows each became `evaluation.rows` {rows}")


def _ratio_level(importer: Import, value: Any) -> None:
    level = "none" if value is None else str(value).lower()
    importer.set("method", "importance_sampling_level", level)
    if level == "none":
        importer.note(
            "importance_sampling_level", "none is taken over: the ratio is always 1, so nothing is clipped"
        )


def _delta(importer: Import, value: Any) -> None:
    """mlx-lm-lora (which names its `train_mode`) means DPO's delta."""
    if value is None:
        return
    if "train_mode" in importer.given:
        importer.note("delta", "belongs to DPO there and is left out")
    else:
        importer.set("method", "delta", value)


def _scale_rewards(importer: Import, value: Any) -> None:
    """TRL once took true and false."""
    importer.set("method", "scale_rewards", {True: "group", False: "none"}.get(value, value))


def _entropy_quantile(importer: Import, value: Any) -> None:
    """Under the camelCase name it is the share left out, under ours (and TRL's) the share kept."""
    if value is None:
        return
    if importer.spelling["top_entropy_quantile"] == "top_entropy_quantile":
        importer.set("method", "top_entropy_quantile", value)
        return
    kept = round(1 - number(value), 12)
    importer.set("method", "top_entropy_quantile", kept)
    importer.note(
        "top_entropy_quantile", f"{value} became {kept:g}: here it is the share of tokens that is kept"
    )


def _nothing(importer: Import, value: Any) -> None:
    """Read by another converter."""


CONVERTED: dict[str, Callable[[Import, Any], None]] = {
    "reward_functions": _rewards,
    "reward_weights": _reward_companion,
    "reward_functions_file": _nothing,
    "train_data_path": _train_data,
    "val_data_path": _held_out_alone,
    "fine_tune_type": _adapter_type,
    "train_type": _adapter_type,
    "lora_parameters": _lora_parameters,
    "lora_alpha": _lora_alpha,
    "use_rslora": _stabilised,
    "use_dora": _dora,
    **dict.fromkeys(("lora_target_modules", "lora_target", "target_modules"), _modules),
    "optimizer": _optimizer,
    "optimizer_config": _nothing,
    "lr_schedule": _schedule,
    "val_batches": _held_out_batches,
    "importance_sampling_level": _ratio_level,
    "delta": _delta,
    "scale_rewards": _scale_rewards,
    "top_entropy_quantile": _entropy_quantile,
    **dict.fromkeys(METHOD_KEYS, _nothing),
}
