"""What a model's name stands for: a bundled one, a folder, or an id of the Hugging Face Hub and its place in the cache."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from droid_tune.control import UNWATCHED, Watch, waited_for
from droid_tune.errors import UserError
from droid_tune.model_files.from_hub.hub_faults import hub_fault, no_connection
from droid_tune.model_files.headers import missing_shards, weight_files
from droid_tune.model_files.model_folder import gguf_model
from droid_tune.paths import bundled_model_dir, hub_cache_dir, user_path

_LONGEST_NAME = 96
_PART = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)


def is_hub_id(name: str) -> bool:
    """`owner/name` by the Hub's rules (`huggingface_hub.utils.validate_repo_id`, whose import takes too long here)."""
    owner, slash, model = name.partition("/")
    if not slash or len(model) > _LONGEST_NAME or "--" in name or ".." in name or name.endswith(".git"):
        return False
    return all(_PART.fullmatch(part) for part in (owner, model))


def folder_named(name: str) -> Path | None:
    """The folder that a name stands for; None for an id of the Hub. Raises `UserError` where it is neither."""
    if (bundled := bundled_model_dir(name)) is not None:
        return bundled
    path = user_path(name)
    if name and path.is_dir():
        return path
    if name and path.exists():
        if path.suffix.lower() == ".gguf":
            raise gguf_model(path)
        raise UserError("the model is a file, not a folder", place=name, remedy="give the folder around it")
    if not is_hub_id(name):
        raise UserError(
            "there is no such model folder",
            place=name,
            remedy="check the path, or give a Hugging Face id such as mlx-community/Qwen3-0.6B-4bit",
        )
    return None


def local_model(name: str, revision: str = "") -> Path | None:
    """Where the model is on this computer; None where it would have to be downloaded first, or is none at all."""
    try:
        return folder_named(name) or cached_snapshot(name, revision)
    except UserError:
        return None


def resolve_model(name: str, revision: str = "", watch: Watch = UNWATCHED) -> Path:
    """The local folder of a bundled name, a path, or a Hub id (downloaded when it is not there yet; `watch` hears of bytes).

    Raises `UserError`, and `Stopped` in the middle of a download, which goes on where it was the next time.
    """
    found = folder_named(name)
    return waited_for(partial(_from_hub, name, revision, watch), watch) if found is None else found


def cached_snapshot(name: str, revision: str = "") -> Path | None:
    """The folder of the Hub's cache that holds this revision (`main` unless said), whole or not."""
    return snapshot_in(hub_cache_dir() / f"models--{name.replace('/', '--')}", revision)


def snapshot_in(entry: Path, revision: str = "") -> Path | None:
    """The snapshot in one model's folder of the cache (`refs/<revision>` names it, or it is the commit itself).

    Without a revision, where `main` was never asked for, the newest serves.
    """
    snapshots = entry / "snapshots"
    try:
        commit = (entry / "refs" / (revision or "main")).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = revision
    if commit:
        return snapshots / commit if (snapshots / commit).is_dir() else None
    try:
        return max(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def _from_hub(name: str, revision: str, watch: Watch) -> Path:
    """The newest of the Hub, or what is here of it where the Hub cannot be reached."""
    from droid_tune.model_files.from_hub.hub_download import download_model

    try:
        return download_model(name, revision, watch)
    except UserError as error:
        why = error.__cause__
        if not isinstance(why, Exception) or not no_connection(why):
            raise
        here = cached_snapshot(name, revision)
        if here is None or missing_shards(here) or not weight_files(here):
            raise hub_fault(name, why) from error
        return here
