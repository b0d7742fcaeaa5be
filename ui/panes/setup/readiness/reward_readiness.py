"""Whether the Python files of the rewards are there, and were tried as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ui.settings import Settings

#: files whose last trial is remembered
MOST_REMEMBERED = 50


def missing_files(rewards: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A sentence for each file that is not there, by the setting that names it."""
    return {
        f"rewards[{place + 1}].path": f"There is no file {file}; choose it again, or write it in the workbench."
        for place, file in _files(rewards)
        if not file.is_file()
    }


def untried_files(rewards: Sequence[Mapping[str, Any]], settings: Settings) -> list[str]:
    """Names of the files that were not tried as they are now."""
    there = [file for _, file in _files(rewards) if file.is_file()]
    return [file.name for file in there if settings.tried_rewards.get(str(file)) != _digest_of(file)]


def remember_tried(
    rewards: Sequence[Mapping[str, Any]], unsaved: Mapping[str, str], settings: Settings
) -> None:
    """These were tried: their files as they are, or the text in place of one."""
    for _, file in _files(rewards):
        text = unsaved.get(str(file))
        digest = _digest_of(file) if text is None else _digest(text.encode())
        kept = {path: known for path, known in settings.tried_rewards.items() if path != str(file)}
        settings.tried_rewards = dict([*kept.items(), (str(file), digest)][-MOST_REMEMBERED:])


def _files(rewards: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Path]]:
    for place, values in enumerate(rewards):
        if values.get("type") == "user_file" and values.get("path"):
            yield place, Path(str(values["path"])).expanduser()


def _digest_of(file: Path) -> str:
    try:
        return _digest(file.read_bytes())
    except OSError:
        return ""


def _digest(text: bytes) -> str:
    return hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()[:16]
