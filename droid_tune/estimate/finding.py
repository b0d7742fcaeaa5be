"""What a look before the run found, in a sentence, with what would help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["good", "info", "warning", "error"]


@dataclass(frozen=True)
class Remedy:
    """What to change; `values` are settings as `--set` takes them, empty where it is not a setting. `tool` is the change of
    the data that does it, where one does (`split`, `overlap`)."""

    text: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    tool: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that the check found."""

    level: Level
    text: str
    remedies: tuple[Remedy, ...] = ()
