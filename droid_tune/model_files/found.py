"""The models that are at hand: the starter, the Hugging Face cache, folders used before. Reads a few small files only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from droid_tune import words
from droid_tune.model_files.facts import model_folder, read_model
from droid_tune.paths import hub_cache_dir, starter_model_dir

Kind = Literal["starter", "cache", "folder", "hub"]


@dataclass(frozen=True)
class FoundModel:
    """`path` is what the config says; `fault` why it cannot be used."""

    path: str
    title: str
    detail: str
    kind: Kind
    fault: str = ""


def find_models(recent: Iterable[str] = ()) -> list[FoundModel]:
    """The starter first, then what was used before, then the cache by name."""
    found = [starter()]
    cached = scan_cache(hub_cache_dir())
    known = {model.path for model in cached} | {"starter"}
    found += [describe(path) for path in recent if path not in known]
    return [model for model in found if not model.fault or model.kind != "folder"] + cached


def starter() -> FoundModel:
    facts = facts_of(starter_model_dir())
    return FoundModel("starter", "Starter", f"Bundled, learns arithmetic in minutes · {facts}", "starter")


def describe(path: str) -> FoundModel:
    """What is known of a model given by folder or Hub id, without loading it."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        fault = fault_of(folder)
        return FoundModel(path, folder.name, fault or facts_of(folder), "folder", fault)
    if _looks_like_a_path(path):
        return FoundModel(path, path, "", "folder", f"There is no folder {path}.")
    if not _is_hub_id(path):
        said = f"`{path}` is neither a folder nor a Hugging Face id (owner/name)."
        return FoundModel(path, path, "", "hub", said)
    return FoundModel(path, path, "From the Hugging Face Hub, downloaded when training starts", "hub")


def scan_cache(folder: Path) -> list[FoundModel]:
    """Complete models of the Hugging Face cache (`models--owner--name/snapshots/<commit>`)."""
    found: list[FoundModel] = []
    try:
        entries = sorted(folder.glob("models--*"))
    except OSError:
        return []
    for entry in entries:
        snapshot = _newest_snapshot(entry)
        if snapshot is None or fault_of(snapshot):
            continue
        name = entry.name.removeprefix("models--").replace("--", "/")
        found.append(FoundModel(name, name, f"In the Hugging Face cache · {facts_of(snapshot)}", "cache"))
    return found


#: keys of config.json that ask for Python code of the model's own to be run
OWN_CODE = ("auto_map", "model_file")


def fault_of(folder: Path) -> str:
    """Why a folder is no model that can be trained, in one sentence; empty when it looks like one."""
    if not (folder / "config.json").is_file():
        return f"{folder.name} has no config.json; choose a folder with config.json and .safetensors files."
    if not any(folder.glob("*.safetensors")):
        return f"{folder.name} has no .safetensors weights; choose a folder that has them."
    own = next((key for key in OWN_CODE if _read_config(folder).get(key)), "")
    if own:
        return f"{folder.name} wants to run its own Python code ({own}), which is never done; choose a conversion without."
    return ""


def facts_of(folder: Path) -> str:
    """`llama, 4 bits, 76 MB`, from config.json and the sizes of the weights."""
    config = _read_config(folder)
    parts = [str(config.get("model_type") or "unknown architecture")]
    quantization: Any = config.get("quantization") or config.get("quantization_config")
    if isinstance(quantization, dict) and "bits" in quantization:
        parts.append(f"{quantization['bits']} bits")
    try:
        parts.append(words.size(sum(file.stat().st_size for file in folder.glob("*.safetensors"))))
    except OSError:
        parts.append("unreadable weights")
    return ", ".join(parts)


def module_names(path: str) -> list[str]:
    """The layers of a model on this computer that an adapter can train, from the weights' headers; [] where unknown."""
    folder = model_folder(path)
    return [] if folder is None else [linear.name for linear in read_model(folder).linears]


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        loaded: object = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}


def _newest_snapshot(entry: Path) -> Path | None:
    """The snapshot that `main` names, else the newest; None where nothing was downloaded whole."""
    snapshots = entry / "snapshots"
    try:
        named = snapshots / (entry / "refs" / "main").read_text(encoding="ascii").strip()
        if named.is_dir():
            return named
    except (OSError, ValueError):
        pass  # an older cache, or a download of a commit: the newest one serves
    try:
        return max(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def _looks_like_a_path(path: str) -> bool:
    return path.startswith(("/", "~", ".")) or path.count("/") > 1


def _is_hub_id(path: str) -> bool:
    owner, slash, name = path.partition("/")
    return bool(owner and slash and name) and " " not in path
