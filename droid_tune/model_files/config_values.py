"""A model's config.json as numbers and words, any of which may be missing or absurd."""

from __future__ import annotations

from typing import Any, cast


def of_text(config: dict[str, Any]) -> dict[str, Any]:
    """The config with what it says of the language model of several (`text_config`) on top."""
    text = config.get("text_config")
    return {**config, **(cast("dict[str, Any]", text) if isinstance(text, dict) else {})}


class ConfigValues:
    """Values of a config that may be missing or absurd."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def whole(self, *names: str) -> int | None:
        """The first of these that is a positive number (of a list, its largest)."""
        for name in names:
            value: Any = self._config.get(name)
            if isinstance(value, list):
                numbers = [item for item in cast("list[Any]", value) if isinstance(item, int)]
                value = max(numbers, default=None)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
                return value
        return None

    def text(self, name: str) -> str:
        value = self._config.get(name)
        return value if isinstance(value, str) else ""

    def given(self, name: str) -> bool:
        """Whether there is a value other than null, false and 0."""
        return bool(self._config.get(name))

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._config.get(name)
        return value if isinstance(value, bool) else default
