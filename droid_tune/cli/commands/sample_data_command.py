"""`droid-tune sample-data`: data to look at and to try a method with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.consent import add_trust_argument, ask_about_file
from droid_tune.cli.output import say
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.data.editing.convert import Written

HELP = "write sample data for a method, or the rows that an environment brings, into a new folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="grpo", metavar="NAME", help="grpo (the default), sft, ...")
    parser.add_argument(
        "--config",
        type=user_path,
        metavar="RUN.yaml",
        help="settings whose `environment` brings rows of its own",
    )
    add_trust_argument(parser)
    parser.add_argument("--out", type=user_path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Writes the folder and prints its path. Raises UsageError for an unknown method, UserError for a full folder."""
    from droid_tune.cli.commands.validate_command import known_method
    from droid_tune.data.synthetic.samples import write_sample

    known_method(arguments.method)
    if arguments.config is not None:
        written = environment_rows(arguments)
    else:
        written = write_sample(arguments.method, arguments.out, arguments.seed)
    print(written.folder)
    say(", ".join(words.count(count, f"{split} row") for split, count in written.rows.items()))
    return 0


def environment_rows(arguments: argparse.Namespace) -> Written:
    """What the environment of a config file brings. Raises UserError."""
    from droid_tune.config import resolve
    from droid_tune.config.files.config_file import read_config_file, with_absolute_paths
    from droid_tune.environments.row_source import write_own_rows

    config = resolve(with_absolute_paths(read_config_file(arguments.config).values, Path()))
    ask_about_file(arguments.config, config, trusted=arguments.trust)
    return write_own_rows(config, arguments.out, arguments.seed)
