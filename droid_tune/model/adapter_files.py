"""Adapters on disk, in mlx-lm's own layout: `adapters.safetensors` and `adapter_config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_unflatten
from pydantic import ValidationError

from droid_tune.config.files.faults import in_words
from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.model.adapters import is_adapter, layer_count
from droid_tune.model.arrays import HEAD, layers_of, reading_weights, write_arrays
from droid_tune.model.heads.value_head import HEAD_WEIGHTS, apart_arrays
from droid_tune.model.policy import Policy
from droid_tune.model_files.headers import read_header
from droid_tune.model_files.model_folder import read_json

WEIGHTS = "adapters.safetensors"
SETTINGS = "adapter_config.json"
SAVE_AGAIN = "save or export the adapter again"


def adapter_settings(policy: Policy) -> dict[str, Any]:
    """`adapter_config.json`: what mlx-lm needs to build the same layers again."""
    adapter = policy.adapter
    settings: dict[str, Any] = {
        "fine_tune_type": adapter.type,
        "num_layers": layer_count(policy.model, adapter),
        "model": str(policy.path),
    }
    if adapter.type != "full":
        settings["lora_parameters"] = {
            "rank": adapter.rank,
            "scale": adapter.scale,
            "dropout": adapter.dropout,
            "keys": _keys(policy),
        }
    return settings


def _keys(policy: Policy) -> list[str]:
    """The adapted modules as mlx-lm names them: inside a layer relative to the layer."""
    inside = {
        name
        for layer in layers_of(policy.model)
        for name, module in layer.named_modules()
        if is_adapter(module)
    }
    outside = {name for name in policy.adapted if ".layers." not in f".{name}"}
    return sorted(inside | outside)


def save_adapter(policy: Policy, folder: Path, arrays: Mapping[str, mx.array] | None = None) -> list[Path]:
    """Write the adapter (or `arrays` under its names) into `folder`; returns the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, settings = folder / WEIGHTS, folder / SETTINGS
    fresh = weights.with_name("adapters.new.safetensors")
    write_arrays(fresh, arrays or policy.trainable())
    fresh.replace(weights)
    settings.write_text(json.dumps(adapter_settings(policy), indent=2) + "\n", encoding="utf-8")
    return [weights, settings, *_save_head(policy, folder)]


def _save_head(policy: Policy, folder: Path) -> list[Path]:
    """A reward model's head in a file of its own, so that mlx-lm reads the adapter as any other."""
    if HEAD not in policy.model:
        return []
    file = folder / HEAD_WEIGHTS
    write_arrays(file, {name: one for name, one in apart_arrays(policy).items() if name.startswith(HEAD)})
    return [file]


#: what mlx-lm calls the settings of an adapter, where that is not what we call them
_THEIR_NAMES = {"type": "fine_tune_type", "layers": "num_layers", "target_modules": "keys"}


def adapter_config_in(folder: Path) -> AdapterConfig:
    """The adapter that a folder holds, as our config."""
    settings, place = read_json(folder / SETTINGS), str(folder / SETTINGS)
    told: Any = settings.get("lora_parameters") or {}
    if not isinstance(told, dict):
        raise UserError("`lora_parameters` must hold settings", value=told, place=place, remedy=SAVE_AGAIN)
    parameters = cast("dict[str, Any]", told)
    keys: Any = parameters.get("keys") or ()
    if not isinstance(keys, list | tuple):
        raise UserError("`keys` must be a list of modules", value=keys, place=place, remedy=SAVE_AGAIN)
    try:
        return AdapterConfig(
            type=settings.get("fine_tune_type", "lora"),
            rank=parameters.get("rank", 8),
            scale=parameters.get("scale", 20.0),
            dropout=parameters.get("dropout", 0.0),
            layers=settings.get("num_layers", -1) or -1,
            target_modules=tuple(cast("list[Any]", keys)),
        )
    except ValidationError as error:
        raise odd_setting(error, place, _THEIR_NAMES) from error


def odd_setting(
    error: ValidationError, place: str, names: Mapping[str, str] = MappingProxyType({})
) -> UserError:
    """The first setting of an adapter that is no such, with its value; `names` are those of the file, by ours."""
    fault = error.errors()[0]
    own, *within = map(str, fault["loc"])
    name = ".".join([names.get(own, own), *within])
    return UserError(f"`{name}` {in_words(fault)}", value=fault["input"], place=place, remedy=SAVE_AGAIN)


def refuse_no_numbers(arrays: Mapping[str, mx.array], place: str) -> None:
    """Raises UserError where an adapter's weights are none: not floating-point, or not finite."""
    for name, array in arrays.items():
        if not mx.issubdtype(array.dtype, mx.floating):
            kind = str(array.dtype).removeprefix("mlx.core.")
            raise UserError(f"the weights of {name} are {kind}, no floating-point numbers", place=place)
        if not mx.all(mx.isfinite(array)).item():
            raise UserError(
                f"the weights of {name} are not all finite numbers",
                place=place,
                remedy="choose an earlier checkpoint of it",
            )


def load_adapter(policy: Policy, folder: Path) -> None:
    """Put the weights of `folder` into the policy's adapter; every name and shape must fit."""
    load_arrays(policy, read_arrays(folder / WEIGHTS), place=str(folder / WEIGHTS))


def read_arrays(file: Path) -> dict[str, mx.array]:
    """A safetensors file whose header and size are right, evaluated (so that the file may go). Raises UserError."""
    if not file.is_file():
        raise UserError("there is no such adapter file", place=str(file))
    read_header(file)
    with reading_weights(file), file.open("rb") as stream:
        arrays: Any = mx.load(stream, format="safetensors")
        mx.eval(arrays)
    return dict(arrays)


def load_arrays(policy: Policy, arrays: Mapping[str, mx.array], *, place: str) -> None:
    """Set the trainable parameters; unknown, missing or misshapen ones are named."""
    expected = policy.trainable()
    problems = [f"{name} is not part of this adapter" for name in arrays if name not in expected]
    problems += [f"{name} is missing" for name in expected if name not in arrays]
    problems += [
        f"{name} has shape {tuple(arrays[name].shape)}, not {tuple(wanted.shape)}"
        for name, wanted in expected.items()
        if name in arrays and arrays[name].shape != wanted.shape
    ]
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise UserError(
            f"the adapter does not fit: {problems[0]}{more}",
            place=place,
            remedy="use the model and adapter settings it was trained with",
        )
    refuse_no_numbers(arrays, place)
    typed = [(name, arrays[name].astype(wanted.dtype)) for name, wanted in expected.items()]
    policy.model.update(tree_unflatten(typed))
    mx.eval(policy.model.trainable_parameters())
