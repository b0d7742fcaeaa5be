"""What a person changes of a run while it trains: a small file in the run's folder, written by whoever steers.

Each line of `steering.jsonl` is either a wish (`{"id", "settings" | "action", "step"}`) or the word of the engine that it
was followed (`{"id", "applied": step}`). Window, command line and tests write wishes the same way; the engine looks at the
file between two updates. With the steps at which wishes were followed the file is also the record from which a steered
run can be replayed, and from which a run that crashed makes the changes since its checkpoint again.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from droid_tune import words
from droid_tune.config import RunConfig, build, merge
from droid_tune.config.files.load import parse_overrides
from droid_tune.errors import UsageError, UserError
from droid_tune.events import Steered
from droid_tune.paths import private_file
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error

FILE = "steering.jsonl"
Action = Literal["save", "evaluate"]
ACTIONS: tuple[Action, ...] = ("save", "evaluate")

#: what can change while a run trains, by the name a person writes -> its place in the config
STEERABLE: dict[str, tuple[str, str]] = {
    "learning_rate": ("optimizer", "learning_rate"),
    "beta": ("method", "beta"),
    "temperature": ("sampling", "temperature"),
    "stop_at": ("training", "stop_at"),
    "patience": ("evaluation", "patience"),
    "steps_per_eval": ("evaluation", "steps_per_eval"),
    "save_every": ("checkpoint", "save_every"),
}
#: those of them that act on a rollout as a whole: they wait until the one in use is used up
OF_A_ROLLOUT = frozenset(("beta", "temperature"))


class Wish(BaseModel):
    """Settings to change, or something to do now; at the boundary before update `step` + 1, or (None) at the next one."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    settings: dict[str, Any] = {}
    action: Action | None = None
    step: int | None = None


class _Followed(BaseModel):
    """The engine's word that a wish was followed (or refused) after `applied` updates."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    applied: int


def wish(
    settings: Mapping[str, Any] | None = None, *, action: Action | None = None, step: int | None = None
) -> Wish:
    """A new wish, with a name that no other has."""
    return Wish(id=uuid.uuid4().hex[:12], settings=dict(settings or {}), action=action, step=step)


def parse_wishes(given: Sequence[str], step: int | None = None) -> list[Wish]:
    """`["learning_rate=1e-5", "save"]` as wishes. Raises UsageError for a word that is neither."""
    settings: dict[str, Any] = {}
    actions: list[Action] = []
    for word in given:
        action: Action | None = next((one for one in ACTIONS if one == word), None)
        if action is not None:
            actions.append(action)
            continue
        name, equals, _ = word.partition("=")
        known = next((key for key, place in STEERABLE.items() if name in (key, ".".join(place))), None)
        if not equals or known is None:
            raise UsageError(
                f"`{word}` cannot be steered",
                remedy=f"write {', '.join(f'{one}=...' for one in STEERABLE)}, or {' or '.join(ACTIONS)}",
            )
        settings[known] = _value(known, word)
    changes = [wish(settings, step=step)] if settings else []
    return changes + [wish(action=action, step=step) for action in actions]


def _value(name: str, word: str) -> Any:
    """What stands behind the `=`, read as `--set` reads it."""
    section, field = STEERABLE[name]
    return parse_overrides([f"{section}.{field}={word.partition('=')[2]}"])[section][field]


def steered(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The config with the settings changed (names of `STEERABLE`). Raises UserError where they do not fit together."""
    changed: dict[str, Any] = config.model_dump(mode="json")
    for name, value in settings.items():
        if name not in STEERABLE:
            raise UserError(f"`{name}` cannot be changed while a run trains")
        section, field = STEERABLE[name]
        if field not in changed[section]:
            raise UserError(f"The method {config.method.type} has no `{field}`")
        changed = merge(changed, {section: {field: value}})
    return build(changed)


def current(config: RunConfig, name: str) -> Any:
    """What a steerable setting is in a config; None where the method has none."""
    section, field = STEERABLE[name]
    return getattr(getattr(config, section), field, None)


def steered_sentence(event: Steered) -> str:
    """`Step 12: learning rate 5e-06 (was 1e-05).`; `Step 12: saved on request.`"""
    if event.action:
        return f"Step {event.step:,}: {'saved' if event.action == 'save' else 'evaluated'} on request."
    told = [
        f"{name.replace('_', ' ')} {_shown(value)} (was {_shown(event.before.get(name))})"
        for name, value in event.settings.items()
    ]
    return f"Step {event.step:,}: {', '.join(told)}."


def _shown(value: float | None) -> str:
    return "unset" if value is None else words.number(value)


def send(folder: Path, wishes: Sequence[Wish]) -> None:
    """Write wishes for the engine to find. Raises UserError where the folder cannot be written."""
    _append(folder / FILE, [one.model_dump(mode="json", exclude_none=True) for one in wishes])


def mark_followed(folder: Path, one: Wish, step: int) -> None:
    """Keep at which step a wish was followed. Raises UserError."""
    _append(folder / FILE, [_Followed(id=one.id, applied=step).model_dump()])


def _append(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """In one write, so that lines of two processes do not mix."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        private_file(file)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, text.encode("utf-8"))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise disk_error(error, file, TRY_AGAIN) from error


class WishFile:
    """The wishes of a run as they come in, each with the step at which it is due."""

    def __init__(self, folder: Path) -> None:
        self.move_to(folder)
        self._read_bytes = 0
        self._wishes: dict[str, Wish] = {}

    def move_to(self, folder: Path) -> None:
        """The same file, where the run's folder is now."""
        self._file = folder / FILE

    def wishes(self) -> list[Wish]:
        """All of them in order; one that was followed before is due at the step at which it was."""
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            size = 0
        if size > self._read_bytes:
            self._read()
        return list(self._wishes.values())

    def _read(self) -> None:
        with self._file.open("rb") as lines:
            lines.seek(self._read_bytes)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it is being written: the next look finds it whole
                self._read_bytes += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        for kind in (_Followed, Wish):
            try:
                found = kind.model_validate_json(line)
            except ValidationError:
                continue
            if isinstance(found, Wish):
                self._wishes[found.id] = found
            elif found.id in self._wishes:
                self._wishes[found.id] = self._wishes[found.id].model_copy(update={"step": found.applied})
            return


def copy_changes(source: Path, target: Path) -> int:
    """Lay the changes made to one run on another, at the same steps; how many there were. Raises UserError."""
    made = [one for one in WishFile(source).wishes() if one.step is not None]
    if made:
        send(target, made)
    return len(made)
