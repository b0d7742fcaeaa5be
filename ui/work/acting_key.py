"""What a question about a run's environment depends on, as a text: the same text, the same answer."""

from __future__ import annotations

import contextlib

from droid_tune.config import RunConfig
from droid_tune.config.environments import OwnCodeConfig


def acting_key(config: RunConfig) -> str:
    """Empty without an environment. A file's time belongs to it, since it is edited beside the window."""
    environment = config.environment
    if environment is None:
        return ""
    changed = 0
    if isinstance(environment, OwnCodeConfig):
        with contextlib.suppress(OSError):
            changed = environment.file.stat().st_mtime_ns
    return f"{config.model.path}|{config.model.revision}|{environment.model_dump_json()}|{changed}"
