"""The `droid-tune` command (floor 5): the application's headless twin, one file per subcommand."""

from droid_tune.cli.entry import main

__all__ = ["main"]
