"""A folder made ready for the Hub: which of its files would be uploaded, and of what it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: hidden, so it stays on this machine
ORIGIN_FILE = ".droid-tune.json"


@dataclass(frozen=True)
class UploadFile:
    """A file that would be uploaded: its name in the repository, and its size in bytes."""

    name: str
    bytes: int


def files_to_upload(folder: Path) -> list[UploadFile]:
    """What a person is asked to confirm; hidden files stay."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [(path.relative_to(folder), path.stat().st_size) for path in found]
    return [
        UploadFile(name.as_posix(), size)
        for name, size in names
        if not any(part.startswith(".") for part in name.parts)
    ]


def write_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Note of what the folder is made. Raises OSError."""
    (folder / ORIGIN_FILE).write_text(json.dumps(origin), encoding="utf-8")


def has_origin(folder: Path, origin: Mapping[str, Any]) -> bool:
    """Whether the folder says that it is made of just that."""
    try:
        found: Any = json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return found == origin
