"""What the window remembers between starts: geometry, look, the form, the last data and model."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from droid_tune.paths import private_file, private_folder, settings_file
from ui.theme import Appearance

log = logging.getLogger(__name__)

RECENT = 8


@dataclass
class Settings:
    """Plain values; unknown or damaged ones fall back to the defaults, never to an error."""

    appearance: Appearance = "system"
    geometry: str = ""  # QMainWindow.saveGeometry, base64
    pane: str = "setup"
    draft: dict[str, Any] = field(default_factory=dict[str, Any])
    recent_data: list[str] = field(default_factory=list[str])
    recent_models: list[str] = field(default_factory=list[str])
    smoothing: float = 0.0
    keep_awake: bool = True
    notifications: bool = True
    pause_below: int = 20  # percent of the battery's charge; 0: never
    pause_in_low_power: bool = True
    pause_when_hot: bool = True
    high_contrast: bool = False
    runs_folder: str = ""  # read by droid_tune.paths.runs_dir; empty: below the data folder
    shown_run: str = ""  # the id of the run that was looked at last
    looks: dict[str, Any] = field(default_factory=dict[str, Any])  # by pane: splitters and choices
    separate_process: bool = False  # train in a process of its own
    tried_rewards: dict[str, str] = field(
        default_factory=dict[str, str]
    )  # by file: the digest of what was tried
    dismissed_runs: list[str] = field(default_factory=list[str])  # interrupted runs not offered again

    def remember_data(self, path: str) -> None:
        """Newest first, each once, `RECENT` of them."""
        self.recent_data = [path, *(p for p in self.recent_data if p != path)][:RECENT]

    def remember_model(self, path: str) -> None:
        """Newest first, each once, `RECENT` of them."""
        self.recent_models = [path, *(p for p in self.recent_models if p != path)][:RECENT]

    def looks_of(self, pane: str) -> dict[str, str]:
        """What was kept of a pane's looks; nothing where it is damaged."""
        kept = self.looks.get(pane)
        pairs = cast("dict[str, Any]", kept).items() if isinstance(kept, dict) else ()
        return {name: value for name, value in pairs if isinstance(value, str)}

    def geometry_bytes(self) -> bytes:
        """What `keep_geometry` kept; nothing where it is damaged."""
        try:
            return base64.b64decode(self.geometry, validate=True)
        except binascii.Error:
            return b""

    def keep_geometry(self, raw: bytes) -> None:
        """Keep `QMainWindow.saveGeometry`."""
        self.geometry = base64.b64encode(raw).decode("ascii")


def load_settings(file: Path | None = None, tell: Callable[[str], object] = log.warning) -> Settings:
    """The remembered settings; a file that is damaged or cannot be read is set aside as `.bak`, so that the next save does
    not write over it, `tell` hears of it, and the defaults hold."""
    path = file or settings_file()
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        tell(_set_aside(path, f"cannot be read ({error.strerror or error})"))
        return Settings()
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, dict):
        return _from_values(cast("dict[str, Any]", values))
    tell(_set_aside(path, "are damaged"))
    return Settings()


def _set_aside(path: Path, why: str) -> str:
    """Keep a file from being written over; returns the sentence that tells of it."""
    aside = path.with_name(f"{path.name}.bak")
    try:
        path.replace(aside)
    except OSError:
        return f"The settings in {path} {why}; the defaults hold."
    return f"The settings in {path} {why}: they were set aside as {aside.name}, and the defaults hold."


def _from_values(values: dict[str, Any]) -> Settings:
    settings = Settings()
    for known in fields(Settings):
        value: Any = values.get(known.name)
        default = getattr(settings, known.name)
        if isinstance(default, list):
            value = _texts(value)
        if isinstance(default, float) and isinstance(value, int | float):
            value = float(value) if math.isfinite(value) else default
        if isinstance(value, type(default)):
            setattr(settings, known.name, value)
    if settings.appearance not in ("system", "light", "dark"):
        settings.appearance = "system"
    return settings


def _texts(value: Any) -> list[str]:
    """Of a remembered list what is text; all others hold names."""
    return (
        [one for one in cast("list[Any]", value) if isinstance(one, str)] if isinstance(value, list) else []
    )


def save_settings(settings: Settings, file: Path | None = None) -> None:
    """Write them whole or not at all. A full disk is logged, not raised: the window goes on."""
    path = file or settings_file()
    fresh = path.with_suffix(".part")
    try:
        private_folder(path.parent)
        private_file(fresh)
        fresh.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        log.warning("settings could not be saved to %s: %s", path, error)
