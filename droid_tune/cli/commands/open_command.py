"""`droid-tune [FOLDER]`: the application, with a data folder dropped in."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path

from droid_tune.errors import UsageError, UserError
from droid_tune.paths import user_path

HELP = "open the application (with that data folder dropped in)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "droid-tune [FOLDER]"
    parser.add_argument(
        "folder", nargs="?", type=user_path, metavar="FOLDER", help="a folder with train.jsonl"
    )


def run(arguments: argparse.Namespace) -> int:
    """The window's own exit code. Raises UsageError for a word that is no folder, UserError without a display."""
    folder: Path | None = arguments.folder
    if folder is not None and not folder.exists():
        raise UsageError(f"there is no command and no folder `{folder}`", remedy=suggestion(str(folder)))
    if not has_display():
        raise UserError(
            "there is no display to open the window on", remedy="`droid-tune train` trains in the terminal"
        )
    # What a start makes, stays: to look through it for garbage takes a tenth of the time to the first paint, which
    # then begins to collect.
    gc.disable()
    from ui.app import main

    return main(folder)


def has_display() -> bool:
    """Linux without a display: Qt would end the process with a message of its own."""
    named = (os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    return sys.platform != "linux" or any(named)


def suggestion(word: str) -> str:
    """What to type instead of a word that is neither command nor folder."""
    from droid_tune.cli.entry import nearest_command

    near = nearest_command(word)
    return f"did you mean `droid-tune {near}`?" if near else "`droid-tune --help` lists the commands"
