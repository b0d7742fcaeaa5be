"""A model folder, checked before anything in it is run or loaded: the engine and the window ask the same check.

Only JSON and safetensors headers are read here: no weights, no code, no pickles.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.model_files.architectures import implementing_module
from droid_tune.model_files.float8 import refuse_bare_float8
from droid_tune.model_files.headers import missing_shards, read_header, weight_files
from droid_tune.model_files.plausible_sizes import check_sizes

PICKLED_SUFFIXES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
#: keys of a config that ask for Python code of the model's own to be run
OWN_CODE = ("model_file", "auto_map")

Stamps = tuple[tuple[str, int, int], ...]


def check_model_folder(folder: Path) -> dict[str, Any]:
    """The parsed config.json of a folder that can be loaded. Raises `UserError` for one that cannot or must not."""
    config = check_config(folder)
    files = weight_files(folder)
    if not files:
        raise _no_weights(folder)
    types = {tensor.name: tensor.dtype for file in files for tensor in read_header(file)}
    _check_index(folder)
    refuse_bare_float8(folder, config, types)
    check_tokenizer_files(folder)
    return config


def check_config(folder: Path) -> dict[str, Any]:
    """The parsed config.json of a folder whose weights may still be on their way. Raises `UserError`."""
    _refuse_gguf(folder)
    config = read_json(folder / "config.json")
    _refuse_own_code(folder, config)
    _check_architecture(folder, config)
    check_sizes(config, folder / "config.json")
    return config


def stamps_of(folder: Path) -> Stamps:
    """Name, time and size of the files by which a model is judged: equal ones mean the same answer."""
    try:
        found = [
            (file, file.stat())
            for file in sorted(folder.iterdir())
            if file.suffix == ".json" or "safetensors" in file.name or file.suffix in PICKLED_SUFFIXES
        ]
    except OSError:
        return ()
    return tuple((file.name, status.st_mtime_ns, status.st_size) for file, status in found)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of the model folder. Raises `UserError`."""
    if not file.is_file():
        raise UserError(
            f"{file.name} is missing",
            place=str(file.parent),
            remedy="give a model folder in Hugging Face layout (config.json, model*.safetensors, tokenizer.json)",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"not valid JSON ({error})", place=str(file), remedy="download the model again"
        ) from error
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror})", place=str(file)) from error
    if not isinstance(content, dict):
        raise UserError("a JSON object was expected", value=content, place=str(file))
    return content


def _refuse_own_code(folder: Path, config: dict[str, Any]) -> None:
    """A model that wants its own Python run is refused: Droid Tune runs no code from model folders."""
    found = {"config.json": config}
    if (folder / "tokenizer_config.json").is_file():
        found["tokenizer_config.json"] = read_json(folder / "tokenizer_config.json")
    for file, content in found.items():
        for key in OWN_CODE:
            if content.get(key):
                raise UserError(
                    f"the model wants to run its own Python code (`{key}`), which Droid Tune never does",
                    value=content[key],
                    place=str(folder / file),
                    remedy="choose a conversion without it, for example from mlx-community",
                )


def _check_architecture(folder: Path, config: dict[str, Any]) -> None:
    model_type = config.get("model_type")
    place = str(folder / "config.json")
    if not isinstance(model_type, str) or not re.fullmatch(r"[\w.-]+", model_type):
        raise UserError(
            "`model_type` is missing", value=model_type, place=place, remedy="download the model again"
        )
    if implementing_module(config) is None:
        raise UserError(
            "this architecture is not supported by mlx-lm",
            value=model_type,
            place=place,
            remedy="choose a decoder-only language model such as Llama, Qwen, Gemma, Phi or Mistral",
        )


def _no_weights(folder: Path) -> UserError:
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLED_SUFFIXES)
    if pickled:
        return UserError(
            "the weights are pickled, and a pickle can run any code when it is opened",
            value=pickled[0],
            place=str(folder),
            remedy="choose a version with model.safetensors",
        )
    return UserError(
        "there are no weights (model*.safetensors)", place=str(folder), remedy="download the model again"
    )


def gguf_model(place: Path) -> UserError:
    """What to say of a model for llama.cpp."""
    return UserError(
        "this is a model in GGUF, which llama.cpp runs and nothing trains",
        place=str(place),
        remedy="choose the model as safetensors, for example from mlx-community",
    )


def _refuse_gguf(folder: Path) -> None:
    """Raise `UserError` for a folder that holds nothing but GGUF files of a model."""
    if not (folder / "config.json").exists() and any(folder.glob("*.gguf")):
        raise gguf_model(folder)


def _check_index(folder: Path) -> None:
    """An index must be readable, and every shard that it names must be there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        read_json(index)
    missing = missing_shards(folder)
    if missing:
        raise UserError(
            f"{len(missing)} of the model's weight files are missing",
            value=missing[0],
            place=str(folder),
            remedy="download the model again",
        )


def check_tokenizer_files(folder: Path) -> None:
    """Raise `UserError` where a folder has no file of a tokenizer, or one that says what cannot be."""
    _refuse_gguf(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(
            "the tokenizer is missing (tokenizer.json)", place=str(folder), remedy="download the model again"
        )
    settings = folder / "tokenizer_config.json"
    longest = read_json(settings).get("model_max_length") if settings.is_file() else None
    if isinstance(longest, bool) or not isinstance(longest, int | float | None):
        raise UserError(
            "`model_max_length` must be a number",
            value=longest,
            place=str(settings),
            remedy="mend it, or download the model again",
        )
