"""Whether the Python files of the rewards are there, and were tried as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.paths import user_path
from ui.settings import Settings

#: files whose last trial is remembered
MOST_REMEMBERED = 50


def missing_files(rewards: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A sentence for each file that is not there, by the setting that names it."""
    told = ((place, _missing(name)) for place, name in _named(rewards))
    return {f"rewards[{place + 1}].path": sentence for place, sentence in told if sentence}


def _missing(name: str) -> str:
    """Why there is no such file; empty where it is there."""
    try:
        file = user_path(name)
    except UserError as error:
        return str(error)
    return (
        "" if file.is_file() else f"There is no file {file}; choose it again, or write it in the workbench."
    )


def untried_files(rewards: Sequence[Mapping[str, Any]], settings: Settings) -> list[str]:
    """Names of the files that were not tried as they are now."""
    there = [file for file in _files(rewards) if file.is_file()]
    return [file.name for file in there if settings.tried_rewards.get(str(file)) != _digest_of(file)]


def remember_tried(
    rewards: Sequence[Mapping[str, Any]], unsaved: Mapping[str, str], settings: Settings
) -> None:
    """These were tried: their files as they are, or the text in place of one."""
    for file in _files(rewards):
        text = unsaved.get(str(file))
        digest = _digest_of(file) if text is None else _digest(text.encode())
        kept = {path: known for path, known in settings.tried_rewards.items() if path != str(file)}
        settings.tried_rewards = dict([*kept.items(), (str(file), digest)][-MOST_REMEMBERED:])


def _named(rewards: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    """The rewards that are files, by their place, as their settings name them."""
    for place, values in enumerate(rewards):
        if values.get("type") == "user_file" and values.get("path"):
            yield place, str(values["path"])


def _files(rewards: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Those that can be files at all."""
    for _, name in _named(rewards):
        with suppress(UserError):
            yield user_path(name)


def _digest_of(file: Path) -> str:
    try:
        return _digest(file.read_bytes())
    except OSError:
        return ""


def _digest(text: bytes) -> str:
    return hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()[:16]
