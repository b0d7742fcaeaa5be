"""What the window remembers between starts: geometry, look, the form, the last data and model."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from droid_tune.paths import settings_file
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
    dismissed_runs: list[str] = field(default_factory=list[str])  # interrupted runs not offered again

    def remember_data(self, path: str) -> None:
        """Newest first, each once, `RECENT` of them."""
        self.recent_data = [path, *(p for p in self.recent_data if p != path)][:RECENT]

    def remember_model(self, path: str) -> None:
        """Newest first, each once, `RECENT` of them."""
        self.recent_models = [path, *(p for p in self.recent_models if p != path)][:RECENT]

    def geometry_bytes(self) -> bytes:
        """What `keep_geometry` kept; nothing where it is damaged."""
        try:
            return base64.b64decode(self.geometry, validate=True)
        except binascii.Error:
            return b""

    def keep_geometry(self, raw: bytes) -> None:
        """Keep `QMainWindow.saveGeometry`."""
        self.geometry = base64.b64encode(raw).decode("ascii")


def load_settings(file: Path | None = None) -> Settings:
    """The remembered settings; a file that cannot be read is like none."""
    path = file or settings_file()
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        log.warning("settings %s cannot be read, starting from the defaults: %s", path, error)
        return Settings()
    return _from_values(values)


def _from_values(values: Any) -> Settings:
    settings = Settings()
    if not isinstance(values, dict):
        return settings
    for known in fields(Settings):
        value: Any = values.get(known.name)  # pyright: ignore[reportUnknownMemberType]
        default = getattr(settings, known.name)
        if isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int)):
            setattr(settings, known.name, value)
    if settings.appearance not in ("system", "light", "dark"):
        settings.appearance = "system"
    return settings


def save_settings(settings: Settings, file: Path | None = None) -> None:
    """Write them whole or not at all. A full disk is logged, not raised: the window goes on."""
    path = file or settings_file()
    fresh = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        log.warning("settings could not be saved to %s: %s", path, error)
