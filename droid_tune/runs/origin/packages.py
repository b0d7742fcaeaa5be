"""Versions of the packages that decide what a run learns: a resume with others may not end in the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from droid_tune.config import RunConfig
from droid_tune.config.environments import (
    OpenEnvEnvironment,
    ReasoningGymEnvironment,
    VerifiersEnvironment,
)
from droid_tune.config.rewards import AccuracyReward, UserFileReward

#: what computes, and what makes tokens of rows
_ALWAYS = ("mlx", "mlx-lm", "transformers", "tokenizers", "jinja2", "numpy")


def packages_of(config: RunConfig) -> dict[str, str]:
    """The version of each such package that is here, by its name."""
    found: dict[str, str] = {}
    for name in (*_ALWAYS, *_of_environment(config), *_of_rewards(config)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # in the application some have no metadata
            continue
    return found


def _of_environment(config: RunConfig) -> tuple[str, ...]:
    match config.environment:
        case VerifiersEnvironment(id=name):
            return "verifiers", name.rpartition("/")[2].partition(".")[0]
        case ReasoningGymEnvironment():
            return ("reasoning-gym",)
        case OpenEnvEnvironment(server=server) as served if not served.is_address and served.folder is None:
            return "openenv", server.partition(".")[0].partition(":")[0]
        case OpenEnvEnvironment():
            return ("openenv",)
        case _:
            return ()


def _of_rewards(config: RunConfig) -> tuple[str, ...]:
    """The judge of mathematics; a reward of the user's may ask Reasoning Gym's scorers."""
    rewards = config.rewards if config.samples else ()
    judged = ("math-verify",) if any(isinstance(one, AccuracyReward) for one in rewards) else ()
    own = ("reasoning-gym",) if any(isinstance(one, UserFileReward) for one in rewards) else ()
    return *judged, *own


def package_changes(before: Mapping[str, object], now: Mapping[str, str]) -> Iterator[str]:
    """One sentence about all that changed; a package that was not told of then is not compared."""
    changed = [
        f"{name} {before[name]} is {now.get(name) or 'gone'} now"
        for name in before
        if before[name] != now.get(name)
    ]
    if changed:
        yield (
            f"Packages changed since the run began: {', '.join(changed)}. What it learns from here on may differ "
            "in the last digits, or in what an environment gives."
        )
