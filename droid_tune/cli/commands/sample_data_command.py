"""`droid-tune sample-data`: data to look at and to try a method with."""

from __future__ import annotations

import argparse
from pathlib import Path

from droid_tune import words
from droid_tune.cli.output import say

HELP = "write sample data for a method into a new folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="grpo", metavar="NAME", help="grpo (the default), sft, ...")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Writes the folder and prints its path. Raises UsageError for an unknown method, UserError for a full folder."""
    from droid_tune.cli.commands.validate_command import known_method
    from droid_tune.data.synthetic.samples import write_sample

    known_method(arguments.method)
    written = write_sample(arguments.method, arguments.out, arguments.seed)
    print(written.folder)
    say(", ".join(words.count(count, f"{split} row") for split, count in written.rows.items()))
    return 0
