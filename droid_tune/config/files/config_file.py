"""Whether a file is a config, ours or another trainer's, and what it says: for the terminal and for what is dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from droid_tune.config.files.load import read_values
from droid_tune.config.foreign.migrate import Imported, import_foreign, is_foreign
from droid_tune.config.run import SECTIONS
from droid_tune.errors import UserError
from droid_tune.paths import BUNDLED_DATA, BUNDLED_MODELS, BUNDLED_TOOLS, user_path

YAML = (".yaml", ".yml")
#: no config is larger, in bytes
LARGEST = 400_000


def is_config(file: Path) -> bool:
    """Every YAML file; of JSON files those of settings rather than of rows. Reads small files only; raises nothing."""
    if file.suffix.lower() in YAML:
        return file.is_file()
    try:
        if file.suffix.lower() != ".json" or file.stat().st_size > LARGEST:
            return False
        values: Any = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and _holds_settings(cast("dict[str, Any]", values))


def _holds_settings(values: Mapping[str, Any]) -> bool:
    """Known settings, and no list of rows."""
    rows = any(_is_rows(value) for key, value in values.items() if not key.lower().startswith("reward"))
    sections = [key for key in values if key in SECTIONS and isinstance(values[key], Mapping | str)]
    return not rows and (bool(sections) or is_foreign(values))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def read_config_file(file: Path) -> Imported:
    """The settings of a config file as ours, with a sentence for each that is not the same. Raises UserError."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise UserError(f"The config {file} cannot be read: {error.strerror or error}.") from None
    if size > LARGEST:
        raise UserError("is too large for a config", value=f"{size:,} bytes", place=str(file))
    return import_foreign(read_values(file))


def with_absolute_paths(values: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Paths that exist, seen from `base`, written in full, so that a run can be resumed from any other folder."""
    full = {
        key: _absolute(value, base) if key in ("model", "data", "environment") else value
        for key, value in values.items()
    }
    rewards = values.get("rewards")
    if isinstance(rewards, list):
        full["rewards"] = [_absolute(reward, base) for reward in cast("list[Any]", rewards)]
    return full


def _absolute(section: Any, base: Path) -> Any:
    """A config section with its `path` (or the folder of its `server`), where that exists, made absolute."""
    if not isinstance(section, dict):
        return section
    settings = cast("dict[str, Any]", section)
    server = settings.get("server")
    if isinstance(server, str) and server and "://" not in server:
        folder = base / user_path(server)
        if (folder / "openenv.yaml").is_file():
            return {**settings, "server": str(folder.resolve())}
    path = settings.get("path")
    if not isinstance(path, str) or path in (*BUNDLED_MODELS, *BUNDLED_DATA, BUNDLED_TOOLS):
        return settings
    found = base / user_path(path)
    return {**settings, "path": str(found.resolve())} if path and found.exists() else settings
