"""From a tool's arguments to the words of the command that does it: an assistant can do what a person can type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunWords:
    """What describes a run, as `train`, `estimate` and `check` take it; empty is left to the defaults."""

    config: str = ""
    model: str = ""
    data: str = ""
    method: str = ""
    preset: str = ""
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def words(self) -> list[str]:
        """`--model M --set group_size=8 ...`."""
        return [
            *options(
                config=self.config,
                model=self.model,
                data=self.data,
                method=self.method,
                preset=self.preset,
                name=self.name,
            ),
            *(word for key, value in self.settings.items() for word in ("--set", f"{key}={said(value)}")),
        ]


def options(**values: str | int | None) -> list[str]:
    """`--name value` for each that was given; what begins with a hyphen is taken for no option of its own."""
    return [
        f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value not in ("", None)
    ]


def said(value: Any) -> str:
    """A setting's value as `--set` reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def named(name: str) -> list[str]:
    """A run or a path by itself, behind which no option is read out of it."""
    return ["--", name]
