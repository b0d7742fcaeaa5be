"""`droid-tune resume`: go on with a run exactly where its newest good checkpoint stands."""

from __future__ import annotations

import argparse
from functools import partial

from droid_tune.cli.driving import add_driving_arguments, drive, positive
from droid_tune.cli.output import say

HELP = "go on with a run that was stopped, or whose process ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument("--steps", type=positive, metavar="N", help="train up to N steps in all")
    add_driving_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from droid_tune.train.run import train
    from droid_tune.train.runs import find_run

    folder = find_run(arguments.run)
    say(f"run {folder.name} in {folder}")
    return drive(partial(train, folder), as_events=arguments.events, stop_after=arguments.stop_after)
