"""Closed, frozen, explained settings (floor 0)."""

from droid_tune.config.files.load import build, dump_yaml, merge, parse_overrides, read_values
from droid_tune.config.presets import PRESETS, resolve
from droid_tune.config.run import RunConfig

__all__ = ["PRESETS", "RunConfig", "build", "dump_yaml", "merge", "parse_overrides", "read_values", "resolve"]
