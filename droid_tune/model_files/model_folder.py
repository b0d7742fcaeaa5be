"""A model folder, checked before anything in it is run or loaded.

Only JSON and safetensors headers are read here: no weights, no code, no pickles.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.model_files.float8 import refuse_bare_float8
from droid_tune.paths import starter_model_dir

MAX_HEADER_BYTES = 100 * 2**20
PICKLED_SUFFIXES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
HUB_FILES = ["*.json", "model*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jinja"]


def resolve_model(name: str, revision: str = "") -> Path:
    """The local folder of `starter`, a path, or a Hugging Face id (downloaded when it is not there yet)."""
    if name == "starter":
        return starter_model_dir()
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UserError("the model is a file, not a folder", place=name, remedy="give the folder around it")
    if not HUB_ID.match(name) or name.startswith("."):
        raise UserError(
            "there is no such model folder",
            place=name,
            remedy="check the path, or give a Hugging Face id such as mlx-community/Qwen3-0.6B-4bit",
        )
    return _from_hub(name, revision or None)


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILES))
    except LocalEntryNotFoundError as error:
        raise UserError(
            "the model is not on this machine and the Hugging Face Hub cannot be reached",
            place=name,
            remedy="check the internet connection, or give a local folder",
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise UserError(
            f"the Hugging Face Hub refused it ({type(error).__name__})",
            place=name,
            remedy="check the spelling; gated models need `hf auth login` first",
        ) from error


def check_model_folder(path: Path) -> dict[str, Any]:
    """Refuse a folder that cannot or must not be loaded; its parsed config.json otherwise."""
    config = read_json(path / "config.json")
    _refuse_own_code(path, config)
    _check_architecture(path, config)
    types: dict[str, str] = {}
    for file in _weight_files(path):
        types |= {name: str(entry.get("dtype")) for name, entry in check_safetensors(file).items()}
    _check_index(path)
    refuse_bare_float8(path, config, types, module_of(config))
    return config


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of the model folder."""
    if not file.is_file():
        raise UserError(
            f"{file.name} is missing",
            place=str(file.parent),
            remedy="give a model folder in Hugging Face layout (config.json, model*.safetensors, tokenizer.json)",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(
            f"not valid JSON ({error})", place=str(file), remedy="download the model again"
        ) from error
    if not isinstance(content, dict):
        raise UserError("a JSON object was expected", value=content, place=str(file))
    return content


def _refuse_own_code(path: Path, config: dict[str, Any]) -> None:
    """A model that wants its own Python run is refused: Droid Tune runs no code from model folders."""
    found = {"config.json": config}
    if (path / "tokenizer_config.json").is_file():
        found["tokenizer_config.json"] = read_json(path / "tokenizer_config.json")
    for file, content in found.items():
        for key in ("model_file", "auto_map"):
            if content.get(key):
                raise UserError(
                    f"the model wants to run its own Python code (`{key}`), which Droid Tune never does",
                    value=content[key],
                    place=str(path / file),
                    remedy="choose a conversion without it, for example from mlx-community",
                )


def _check_architecture(path: Path, config: dict[str, Any]) -> None:
    model_type = config.get("model_type")
    place = str(path / "config.json")
    if not isinstance(model_type, str) or not re.fullmatch(r"[\w.-]+", model_type):
        raise UserError(
            "`model_type` is missing", value=model_type, place=place, remedy="download the model again"
        )
    if module_of(config) is None:
        raise UserError(
            "this architecture is not supported by mlx-lm",
            value=model_type,
            place=place,
            remedy="choose a decoder-only language model such as Llama, Qwen, Gemma, Phi or Mistral",
        )


def module_of(config: dict[str, Any]) -> str | None:
    """The mlx_lm module that implements `model_type`, or None."""
    from mlx_lm.utils import MODEL_REMAPPING

    name = str(config.get("model_type"))
    module = f"mlx_lm.models.{MODEL_REMAPPING.get(name, name)}"
    try:
        return module if importlib.util.find_spec(module) is not None else None
    except (ModuleNotFoundError, ValueError):
        return None


def _weight_files(path: Path) -> list[Path]:
    files = sorted(file for file in path.iterdir() if re.fullmatch(r"model.*\.safetensors", file.name))
    if files:
        return files
    pickled = sorted(file.name for file in path.iterdir() if file.suffix in PICKLED_SUFFIXES)
    if pickled:
        raise UserError(
            "the weights are pickled, and a pickle can run any code when it is opened",
            value=pickled[0],
            place=str(path),
            remedy="choose a version with model.safetensors",
        )
    raise UserError(
        "there are no weights (model*.safetensors)", place=str(path), remedy="download the model again"
    )


def check_safetensors(file: Path) -> dict[str, Any]:
    """The header of a safetensors file whose size is right; a cut-off or foreign file is refused."""
    size = file.stat().st_size
    damaged = UserError("the file is damaged or cut off", place=str(file), remedy="download the model again")
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise damaged
        try:
            header = json.loads(stream.read(length))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise damaged from error
    try:
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise damaged from error
    expected = 8 + length + max(ends, default=0)
    if size < expected:
        raise UserError(
            f"the file is cut off: {size:,} of {expected:,} bytes",
            place=str(file),
            remedy="download the model again",
        )
    return header


def _check_index(path: Path) -> None:
    """Every shard that the index names must be there."""
    index = path / "model.safetensors.index.json"
    if not index.is_file():
        return
    shards = read_json(index).get("weight_map", {})
    missing = sorted({str(name) for name in shards.values() if not (path / str(name)).is_file()})
    if missing:
        raise UserError(
            f"{len(missing)} of the model's weight files are missing",
            value=missing[0],
            place=str(path),
            remedy="download the model again",
        )
