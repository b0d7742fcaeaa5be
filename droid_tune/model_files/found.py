"""The models that are at hand: the starter, the Hugging Face cache, folders used before. Judged as the engine would."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.model_files.headers import weight_files
from droid_tune.model_files.hub import cached_snapshot, folder_named, local_model, snapshot_in
from droid_tune.model_files.model_folder import Stamps, check_config, check_model_folder, stamps_of
from droid_tune.model_files.read_facts import read_model
from droid_tune.paths import BUNDLED_MODELS, bundled_model_dir, hub_cache_dir

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
    """The bundled ones first, then what was used before, then the cache by name."""
    found = [_bundled(name) for name in BUNDLED_MODELS]
    cached = scan_cache(hub_cache_dir())
    known = {model.path for model in cached} | set(BUNDLED_MODELS)
    found += [describe(path) for path in recent if path not in known]
    return [model for model in found if not model.fault or model.kind != "folder"] + cached


_BUNDLED_WORDS = {
    "starter": ("Starter", "learns arithmetic in minutes"),
    "tools-starter": ("Starter with tools", "learns to use a shop's list and a calculator"),
}


def _bundled(name: str) -> FoundModel:
    """A bundled model as an entry of the list."""
    title, learns = _BUNDLED_WORDS[name]
    facts = facts_of(bundled_model_dir(name) or Path())
    return FoundModel(name, title, f"Bundled, {learns} · {facts}", "starter")


def describe(path: str) -> FoundModel:
    """What is known of a model given by a bundled name, a folder or a Hub id, without loading it."""
    if path in BUNDLED_MODELS:
        return _bundled(path)
    try:
        folder = folder_named(path)
    except UserError as error:
        return FoundModel(path, path, "", "folder", str(error))
    if folder is not None:
        fault = fault_of(folder)
        return FoundModel(path, folder.name, fault or facts_of(folder), "folder", fault)
    detail = "From the Hugging Face Hub, downloaded when training starts"
    return FoundModel(path, path, detail, "hub", _fault_of_cached(path))


def _fault_of_cached(name: str) -> str:
    """Why a model of the Hub will be refused, as far as a download that began says it already."""
    snapshot = cached_snapshot(name)
    if snapshot is None or not (snapshot / "config.json").is_file():
        return ""
    try:
        check_config(snapshot)
    except UserError as error:
        return str(error)
    return ""


def scan_cache(folder: Path) -> list[FoundModel]:
    """Complete models of the Hugging Face cache (`models--owner--name/snapshots/<commit>`)."""
    found: list[FoundModel] = []
    try:
        entries = sorted(folder.glob("models--*"))
    except OSError:
        return []
    for entry in entries:
        snapshot = snapshot_in(entry)
        if snapshot is None or fault_of(snapshot):
            continue
        name = entry.name.removeprefix("models--").replace("--", "/")
        found.append(FoundModel(name, name, f"In the Hugging Face cache · {facts_of(snapshot)}", "cache"))
    return found


def fault_of(folder: Path) -> str:
    """Why the engine will refuse a folder, in its own sentence; empty where it will load it."""
    return _fault_of(folder, stamps_of(folder))


@lru_cache(maxsize=64)
def _fault_of(folder: Path, _stamps: Stamps) -> str:
    try:
        check_model_folder(folder)
    except UserError as error:
        return str(error)
    return ""


def facts_of(folder: Path) -> str:
    """`llama, 4 bits, 76 MB`, from config.json and the sizes of the weights."""
    config = _read_config(folder)
    parts = [str(config.get("model_type") or "unknown architecture")]
    quantization: Any = config.get("quantization") or config.get("quantization_config")
    if isinstance(quantization, dict) and "bits" in quantization:
        parts.append(f"{quantization['bits']} bits")
    try:
        parts.append(words.size(sum(file.stat().st_size for file in weight_files(folder))))
    except OSError:
        parts.append("unreadable weights")
    return ", ".join(parts)


def module_names(path: str) -> list[str]:
    """The layers of a model on this computer that an adapter can train, from the weights' headers; [] where unknown."""
    folder = local_model(path)
    return [] if folder is None else [linear.name for linear in read_model(folder).linears]


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        loaded: object = json.loads((folder / "config.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}
