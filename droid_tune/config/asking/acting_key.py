"""What a question about a run's environment depends on, as a text: the same text, the same answer."""

from __future__ import annotations

from pathlib import Path

from droid_tune.config.environments import EnvironmentConfig, OpenEnvEnvironment, OwnCodeConfig
from droid_tune.config.run import RunConfig


def acting_key(config: RunConfig) -> str:
    """Empty without an environment. The time of its files belongs to it, since they are edited beside the window."""
    environment = config.environment
    if environment is None:
        return ""
    changed = max(map(_time_of, _files_of(environment)), default=0)
    return f"{config.model.path}|{config.model.revision}|{environment.model_dump_json()}|{changed}"


def _files_of(environment: EnvironmentConfig) -> list[Path]:
    """The code that is likely to be edited."""
    if isinstance(environment, OwnCodeConfig):
        return [environment.file]
    folder = environment.folder if isinstance(environment, OpenEnvEnvironment) else None
    return [] if folder is None else [*folder.glob("*.py"), *folder.glob("server/*.py")]


def _time_of(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
