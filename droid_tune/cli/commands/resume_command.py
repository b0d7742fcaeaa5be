"""`droid-tune resume`: go on with a run exactly where its newest good checkpoint stands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from droid_tune.cli.consent import add_trust_argument, ask_about_run
from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import add_checkpoint_argument, add_driving_arguments, positive

if TYPE_CHECKING:
    from droid_tune.cli.driving import Emit
    from droid_tune.control import Control

HELP = "go on with a run that was stopped, or whose process ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="this many further steps; may go past the planned end"
    )
    add_checkpoint_argument(parser, "what to go on from; what came after it is set aside")
    add_driving_arguments(parser)
    add_trust_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Goes on from the newest good checkpoint. Exit 0 completed, 1 failed, 130 stopped; UserError without a run."""
    from droid_tune.cli.driving import called, drive, follow
    from droid_tune.runs.folder import find_run, read_config
    from droid_tune.train.engine import follows, resume_training

    if follows():
        return follow()
    folder = find_run(arguments.run)
    ask_about_run(folder, read_config(folder), trusted=arguments.trust)
    say(f"run {folder.name} in {folder}")

    def go_on(control: Control, emit: Emit) -> object:
        return resume_training(folder, control, emit, arguments.steps, arguments.checkpoint)

    return drive(go_on, called(folder), as_events=arguments.events, stop_after=arguments.stop_after)
