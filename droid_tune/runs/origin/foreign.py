"""Runs whose folders came from elsewhere: what going on with one would reach for, and that the person allowed it."""

from __future__ import annotations

from pathlib import Path

from droid_tune.config.asking.trust import trust, unallowed
from droid_tune.runs.folder import read_config


def foreign_reach(folder: Path) -> list[str]:
    """What a run reaches for that nobody here allowed, a clause each; none where all is allowed. Raises UserError."""
    return unallowed(read_config(folder))


def allow_run(folder: Path) -> None:
    """The person allowed what a run reaches for. Raises UserError."""
    trust(read_config(folder))
