"""The help texts in `resources/help`, one Markdown file per method."""

from __future__ import annotations

from functools import lru_cache

from droid_tune.paths import resources_dir


@lru_cache(maxsize=32)
def help_text(topic: str) -> str:
    """The Markdown of a topic, empty where there is none."""
    try:
        return (resources_dir() / "help" / f"{topic}.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
